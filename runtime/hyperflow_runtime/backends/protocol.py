"""What a backend does, whatever runs below it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Backend", "DriftResult", "Encoder"]

Array = NDArray[np.float32]


class DriftResult(NamedTuple):
    """Outcome of the Euler steps.

    Attributes:
        theta: (P,).
        step_norms: Length of each step in units, (K,).
    """

    theta: Array
    step_norms: Array


class Encoder(Protocol):
    """A backbone bound to one theta."""

    def encode(self, images: Array) -> Array:
        """Features (B, D) of preprocessed images (B, 3, H, W)."""
        ...


class Backend(Protocol):
    """Runs the graphs of one bundle. Every method may be called from any thread."""

    @property
    def name(self) -> str:
        """Name of the backend and of the device it runs on."""
        ...

    def encode(self, images: Array, theta: Array) -> Array:
        """Features of any number of images.

        Args:
            images: Preprocessed, (B, 3, H, W); run in batches of at most `limits.max_batch`.
            theta: (P,).

        Returns:
            (B, D).

        Raises:
            BackendError: Closed, or the graph failed.
        """
        ...

    def adapt(self, features: Array, labels_onehot: Array, step_size: float) -> DriftResult:
        """Run the Euler steps.

        Args:
            features: Support features at theta_0, (S, D).
            labels_onehot: (S, N), one 1 a row.
            step_size: Euler step size h.

        Raises:
            BackendError: Closed, or the graph failed.
        """
        ...

    def baked(self, theta: Array) -> Encoder | None:
        """Prepare an encoder with theta folded into its weights; None where an input theta costs nothing.

        Raises:
            BackendError: Closed, or the graph was refused.
        """
        ...

    def close(self) -> None:
        """Free everything; a second call does nothing."""
        ...
