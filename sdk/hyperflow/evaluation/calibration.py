"""How far probabilities can be believed: expected calibration error and likelihood (Guo et al., arXiv:1706.04599)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hyperflow.evaluation.statistics import Estimate

__all__ = ["N_BINS", "CalibrationRecord", "bins_of", "calibration_error", "calibration_error_of", "calibration_record"]

N_BINS = 15
_N_RESAMPLES = 1000

Table = NDArray[np.float64]


class CalibrationRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The probabilities of one method in one episode, in 15 bins of equal width over the probability of the best class.

    Bins are open below and closed above. Sums of bins over episodes are the bins of all their queries.

    Attributes:
        counts: Queries in each bin.
        right: How many of them were right.
        confidence: Sum of the probabilities of their best classes.
        nll: Mean negative logarithm of the probability of the true class, over all queries, in nats.
    """

    counts: tuple[int, ...]
    right: tuple[int, ...]
    confidence: tuple[float, ...]
    nll: float


def calibration_record(probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> CalibrationRecord:
    """Sort the queries of one episode into bins.

    Args:
        probabilities: (Q, N), each row adding up to 1.
        labels: True classes, (Q,).
    """
    values = np.asarray(probabilities, np.float64)
    best = values.argmax(axis=1)
    confidence = np.clip(values.max(axis=1), 0.0, 1.0)
    bins = np.clip(np.ceil(confidence * N_BINS).astype(np.int64) - 1, 0, N_BINS - 1)
    own = np.maximum(values[np.arange(len(labels)), labels], np.finfo(np.float32).tiny)
    return CalibrationRecord(
        tuple(np.bincount(bins, minlength=N_BINS).tolist()),
        tuple(np.bincount(bins[best == labels], minlength=N_BINS).tolist()),
        tuple(np.bincount(bins, confidence, minlength=N_BINS).tolist()),
        float(-np.log(own).mean()),
    )


def bins_of(records: Sequence[CalibrationRecord]) -> Table:
    """Bins of every episode: counts, right answers and sums of confidence, (E, 3, 15)."""
    return np.array([(record.counts, record.right, record.confidence) for record in records], np.float64)


def calibration_error(bins: Table) -> Table:
    """Expected calibration error, in 0..1: over bins, the mean distance of accuracy to confidence, by share of queries.

    Args:
        bins: (..., 3, 15), as `bins_of` lays them out.

    Returns:
        (...).
    """
    counts, right, confidence = np.moveaxis(bins, -2, 0)
    error: Table = np.abs(right - confidence).sum(axis=-1) / counts.sum(axis=-1)
    return error


def calibration_error_of(records: Sequence[CalibrationRecord]) -> Estimate:
    """Expected calibration error of all queries of some episodes of one set, in points.

    The half width is 1.96 standard deviations of the same over 1000 bootstrap resamples of the episodes, drawn from a
    seed of their own; infinite with one episode.
    """
    bins = bins_of(records)
    error = 100 * float(calibration_error(bins.sum(axis=0)))
    if len(records) < 2:
        return Estimate(error, float("inf"))
    weights = np.random.default_rng(0).multinomial(len(records), np.full(len(records), 1 / len(records)), _N_RESAMPLES)
    resampled = calibration_error(np.tensordot(weights.astype(np.float64), bins, axes=1))
    return Estimate(error, 1.96 * 100 * float(resampled.std(ddof=1)))
