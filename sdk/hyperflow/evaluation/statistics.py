"""Means with 95% confidence intervals, and paired differences between methods on the same episodes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Estimate", "fraction_recovered", "mean_of", "paired_difference", "summarise"]


class Estimate(msgspec.Struct, frozen=True):
    """A mean over episodes, in points (0..100) unless said otherwise, with the half width of its 95% interval.

    The half width is 1.96 s / sqrt(n) with ddof = 1, unless said otherwise.
    """

    mean: float
    ci95: float

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.ci95:.1f}"


def summarise(values: ArrayLike, *, scale: float = 100.0) -> Estimate:
    """Mean and interval of per-episode values in 0..1 (or their differences), as points.

    Args:
        values: One number an episode, (n,), n at least 1; with one episode the interval is infinite.
        scale: Factor on everything; 1 leaves a value in its own unit.

    Raises:
        ValueError: No value, or one that is not finite.
    """
    points = scale * np.asarray(values, dtype=np.float64)
    if not len(points) or not np.isfinite(points).all():
        raise ValueError(f"a mean needs finite values, got {len(points)} of which not all are finite")
    spread = points.std(ddof=1) / np.sqrt(len(points)) if len(points) > 1 else np.inf
    return Estimate(float(points.mean()), float(1.96 * spread))


def paired_difference(values: ArrayLike, baseline: ArrayLike) -> Estimate:
    """Mean difference to a baseline on the same episodes, in points, with the interval of the difference."""
    return summarise(np.asarray(values) - np.asarray(baseline))


def mean_of(estimates: Sequence[Estimate]) -> Estimate:
    """Mean of independent means, all of one weight: their variances add up."""
    half_widths = np.array([estimate.ci95 for estimate in estimates])
    mean = float(np.mean([estimate.mean for estimate in estimates]))
    return Estimate(mean, float(np.sqrt((half_widths**2).sum()) / len(estimates)))


def fraction_recovered(gains: Sequence[ArrayLike], reference_gains: Sequence[ArrayLike]) -> Estimate | None:
    """Share of a reference's gain that another method's gain makes up, in percent.

    The ratio of the two means over sets, with the interval of the delta method: that of the mean of
    gain - ratio * reference gain, divided by the reference's mean.

    Args:
        gains: For each set the gain of the method in each episode, (n,).
        reference_gains: The same of the reference, on the same episodes.

    Returns:
        None where the reference's own gain is not clear of zero, so that a ratio means nothing.
    """
    reference = mean_of([summarise(values) for values in reference_gains])
    if not reference.mean - reference.ci95 > 0:
        return None
    ratio = mean_of([summarise(values) for values in gains]).mean / reference.mean
    residuals = [
        summarise(np.asarray(own) - ratio * np.asarray(other))
        for own, other in zip(gains, reference_gains, strict=True)
    ]
    return Estimate(100 * ratio, 100 * mean_of(residuals).ci95 / reference.mean)
