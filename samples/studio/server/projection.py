"""Features in two dimensions, by principal components of the support's unit features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Projection", "fit_projection"]

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Projection:
    """From a feature to a place on the map.

    Attributes:
        mean: Of the support's unit features, (D,).
        axes: Principal directions, scaled so that the support fills -1..1, (D, 2).
        explained: Share of the support's variance along each axis, (2,), in 0..1.
    """

    mean: Array
    axes: Array
    explained: tuple[float, float]

    def place(self, features: Array) -> Array:
        """Return places, (S, 2) in -1..1, of features (S, D); what lies outside comes to the edge."""
        return np.clip((_unit(features) - self.mean) @ self.axes, -1.0, 1.0).astype(np.float32)


def fit_projection(features: Array) -> Projection | None:
    """Fit the map to the support.

    Args:
        features: (S, D).

    Returns:
        None for fewer than two shots.
    """
    if len(features) < 2:
        return None
    unit = _unit(features)
    mean = unit.mean(axis=0)
    _, lengths, directions = np.linalg.svd(unit - mean, full_matrices=False)
    axes = np.zeros((unit.shape[1], 2), np.float32)
    axes[:, : min(2, len(directions))] = directions[:2].T
    # The sign of a direction is arbitrary: without a rule the map would be mirrored from one shot to the next.
    largest = np.abs(axes).argmax(axis=0)
    axes *= np.where(axes[largest, [0, 1]] < 0, -1.0, 1.0).astype(np.float32)
    reach = np.abs((unit - mean) @ axes).max()
    variance = np.zeros(2)
    variance[: min(2, len(lengths))] = lengths[:2] ** 2
    shares = variance / max(float((lengths**2).sum()), 1e-12)
    return Projection(mean, axes / max(float(reach), 1e-6), (min(float(shares[0]), 1.0), min(float(shares[1]), 1.0)))


def _unit(features: Array) -> Array:
    lengths = np.linalg.norm(features, axis=-1, keepdims=True)
    unit: Array = np.divide(features, np.maximum(lengths, 1e-12), dtype=np.float32, casting="same_kind")
    return unit
