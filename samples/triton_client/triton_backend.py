"""A backend of the runtime that runs a bundle's graphs on a Triton server. Start reading here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from connection import Connection
from hyperflow_runtime.backends.protocol import DriftResult, Encoder
from hyperflow_runtime.bundle.reader import Bundle
from served_bundle import find_bundle

Array = NDArray[np.float32]


class TritonBackend:
    """The two graphs of a bundle on a server; see `hyperflow_runtime.backends.protocol.Backend`.

    The server keeps no state: theta goes with each request, so that one server serves any number of adaptations.
    Preprocessing, guard and prototypes stay with the session, on this side.

    Example:
        >>> bundle = read_bundle("build/small.hyperflow")  # doctest: +SKIP
        >>> with Model(bundle, TritonBackend(bundle, "http://localhost:8000")) as model:
        ...     session = model.session()
    """

    def __init__(self, bundle: Bundle, url: str, *, name: str | None = None, timeout_s: float = 30.0) -> None:
        """Connect, and find the bundle's models.

        Args:
            bundle: Checked by `read_bundle`; the one that the server's models were exported from.
            url: `http://HOST:8000`.
            name: First part of the models' names, by default the bundle's name.
            timeout_s: Longest wait for the server.

        Raises:
            BackendError: No answer, or the server does not serve this bundle.
        """
        self._connection = Connection(url, timeout_s=timeout_s)
        self._max_batch, self._feature_dim = bundle.manifest.limits.max_batch, bundle.manifest.feature_dim
        try:
            self._served = find_bundle(self._connection, bundle, name or bundle.manifest.name)
        except BaseException:
            self._connection.close()
            raise

    @property
    def name(self) -> str:
        """Name of the backend, the server and the version."""
        return f"triton ({self._connection.url}, {self._served.backbone} version {self._served.version})"

    def encode(self, images: Array, theta: Array) -> Array:
        """Features (B, D) of preprocessed images (B, 3, H, W) under theta (P,), in requests of at most max_batch."""
        parts = [np.empty((0, self._feature_dim), np.float32)]
        for start in range(0, len(images), self._max_batch):
            inputs = {"images": images[start : start + self._max_batch], "theta": theta}
            parts += self._connection.infer(self._served.backbone, self._served.version, inputs, {"features": 2})
        return np.concatenate(parts)

    def adapt(self, features: Array, labels_onehot: Array, step_size: float) -> DriftResult:
        """Run the Euler steps for support features (S, D) with labels (S, N)."""
        # Triton knows no scalars, so the step size travels as (1,).
        step = np.array([step_size], np.float32)
        inputs = {"features": features, "labels_onehot": labels_onehot, "step_size": step}
        outputs = {"theta": 1, "step_norms": 1}
        theta, step_norms = self._connection.infer(self._served.adapt, self._served.version, inputs, outputs)
        return DriftResult(theta, step_norms)

    def baked(self, theta: Array) -> Encoder | None:
        """There is none: the server's graph stays as it is, for all of its clients."""
        return None

    def close(self) -> None:
        """Leave the server; a second call does nothing."""
        self._connection.close()
