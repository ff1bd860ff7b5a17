"""Means with 95% confidence intervals, and paired differences between methods on the same episodes."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Estimate", "paired_difference", "summarise"]


class Estimate(msgspec.Struct, frozen=True):
    """A mean over episodes, in points (0..100), with the half width of its 95% interval.

    The half width is 1.96 s / sqrt(n) with ddof = 1.
    """

    mean: float
    ci95: float

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.ci95:.1f}"


def summarise(values: ArrayLike) -> Estimate:
    """Mean and interval of per-episode values in 0..1 (or their differences), as points.

    Args:
        values: One number an episode, (n,), n at least 1; with one episode the interval is infinite.
    """
    points = 100 * np.asarray(values, dtype=np.float64)
    spread = points.std(ddof=1) / np.sqrt(len(points)) if len(points) > 1 else np.inf
    return Estimate(float(points.mean()), float(1.96 * spread))


def paired_difference(values: ArrayLike, baseline: ArrayLike) -> Estimate:
    """Mean difference to a baseline on the same episodes, in points, with the interval of the difference."""
    return summarise(np.asarray(values) - np.asarray(baseline))
