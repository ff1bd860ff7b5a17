"""Telling queries of unknown classes from known ones, in one episode."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from hyperflow.evaluation.methods import Answer

__all__ = ["DetectionRecord", "auroc", "detection_record"]


class DetectionRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one method told unknown queries from known ones in one episode.

    Attributes:
        n_unknown: Unknown queries.
        auroc: Area under the receiver operating characteristic of the best cosine, by which the product decides: the
            chance that a known query has a larger one than an unknown query, in 0..1.
        auroc_probability: The same of the probability of the best class.
        known_accepted: Share of the known queries that the product's threshold lets through, right or wrong, in 0..1.
        unknown_rejected: Share of the unknown queries that it answers with "unknown", in 0..1.
    """

    n_unknown: int
    auroc: float
    auroc_probability: float
    known_accepted: float
    unknown_rejected: float


def auroc(known: ArrayLike, unknown: ArrayLike) -> float:
    """Chance that a known score is larger than an unknown one, a tie counting half (Mann and Whitney's U, 1947).

    Args:
        known: Scores (A,), A at least 1; larger means known.
        unknown: Scores (B,), B at least 1.

    Returns:
        In 0..1; 0.5 is chance.

    Raises:
        ValueError: No score on one side.
    """
    above, below = np.asarray(known, np.float64), np.sort(np.asarray(unknown, np.float64))
    if not len(above) or not len(below):
        raise ValueError(f"AUROC needs scores of both kinds, got {len(above)} known and {len(below)} unknown")
    n_less = np.searchsorted(below, above, side="left")
    n_not_more = np.searchsorted(below, above, side="right")
    return float((n_less + n_not_more).sum() / (2 * len(above) * len(below)))


def detection_record(answer: Answer) -> DetectionRecord | None:
    """Compare the scores of known and unknown queries; None for an answer without unknown ones, or no threshold."""
    known, unknown, threshold = answer.scores, answer.unknown, answer.unknown_threshold
    if known is None or unknown is None or threshold is None or not len(unknown.cosines):
        return None
    return DetectionRecord(
        len(unknown.cosines),
        auroc(known.cosines, unknown.cosines),
        auroc(known.probabilities.max(axis=1), unknown.probabilities.max(axis=1)),
        float((known.cosines >= threshold).mean()),
        float((unknown.cosines < threshold).mean()),
    )
