"""Opening a bundle."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np

from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.protocol import Backend
from hyperflow_runtime.bundle.manifest import Manifest
from hyperflow_runtime.bundle.reader import Bundle, read_bundle
from hyperflow_runtime.errors import BackendError
from hyperflow_runtime.preprocessing import ColourOrder
from hyperflow_runtime.session import Session

__all__ = ["BackendName", "Model", "open_bundle"]

BackendName = Literal["auto", "onnxruntime"]


class Model:
    """An opened bundle: the graphs in memory, from which any number of sessions can be made."""

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        """Use `open_bundle` instead."""
        self._bundle, self._backend = bundle, backend

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self._bundle.manifest

    @property
    def backend(self) -> str:
        """Name of the backend and of the device it runs on."""
        return self._backend.name

    def session(
        self, adaptation: str | Path | None = None, *, colour_order: ColourOrder = "bgr", bake: bool = True
    ) -> Session:
        """Start a session, empty or from a saved adaptation. Sessions share the graphs and nothing else.

        Args:
            adaptation: File written by `Session.save`.
            colour_order: Order of the channels in this session's frames; OpenCV gives BGR.
            bake: After each `adapt`, fold theta into a copy of the backbone in the background, where that makes
                predictions faster. Until it is ready, predictions use the graph with theta as an input.

        Raises:
            AdaptationFileError: Missing, torn, or of another bundle.
        """
        session = Session(self._backend, self._bundle, colour_order=colour_order, bake=bake)
        if adaptation is not None:
            session.load(adaptation)
        return session

    def close(self) -> None:
        """Free the graphs; a second call does nothing. Sessions of this model raise `BackendError` from now on."""
        self._backend.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_bundle(path: str | Path, backend: BackendName = "auto", *, n_threads: int | None = None) -> Model:
    """Open a bundle for use, after checking every file in it.

    Args:
        path: The folder `NAME.hyperflow`.
        backend: `auto` takes the fastest at hand; so far that is always `onnxruntime`.
        n_threads: Threads a run may use on the processor, all cores by default.

    Raises:
        BundleError: Missing, torn, changed, hostile, or of another schema.
        BackendError: The backend is unknown, absent, or refuses a graph.

    Example:
        >>> with open_bundle("build/small.hyperflow") as model:  # doctest: +SKIP
        ...     print(model.manifest.name, model.backend)
    """
    if backend not in ("auto", "onnxruntime"):
        raise BackendError(f"no backend {backend!r:.40}; choose 'auto' or 'onnxruntime'")
    if n_threads is not None and n_threads < 1:
        raise BackendError(f"n_threads must be at least 1, got {n_threads}")
    bundle = read_bundle(path)
    opened = OnnxRuntimeBackend(bundle, n_threads=n_threads)
    _check_start(opened, bundle)
    return Model(bundle, opened)


def _check_start(backend: Backend, bundle: Bundle) -> None:
    """Run both graphs once on blank input: a graph that fails should fail here, not at the first frame."""
    manifest = bundle.manifest
    side = manifest.preprocessing.size_px
    features = backend.encode(np.zeros((2, 3, side, side), np.float32), bundle.theta_0)
    backend.adapt(features, np.eye(2, dtype=np.float32), 0.0)
