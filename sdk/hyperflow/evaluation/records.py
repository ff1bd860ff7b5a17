"""What is kept of every episode: enough for every table and plot, and to go on after an interruption."""

from __future__ import annotations

import msgspec
import numpy as np

from hyperflow.episodes.sampling import Episode
from hyperflow.evaluation.calibration import CalibrationRecord, calibration_record
from hyperflow.evaluation.detection import DetectionRecord, detection_record
from hyperflow.evaluation.methods import Answer, Labels

__all__ = ["AnswerRecord", "CostRecord", "CurveRecord", "EpisodeRecord", "MeasuredCost", "record_of", "right_share"]


class AnswerRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one method did in one episode.

    Attributes:
        accuracy: Share of the queries that were right, or the mean of the groups' shares, in 0..1.
        seconds: Of adapting.
        step_size: Euler step size h that was in force; None for a method without one.
        failed: The method diverged and `direct` answered.
        groups: Accuracy in each group of queries, in ascending order of the groups; empty without groups.
        calibration: Of the probabilities; None where the subject gives none.
        detection: Of unknown queries; None where there are none, or for a method with gradients.
    """

    accuracy: float
    seconds: float
    step_size: float | None = None
    failed: bool = False
    groups: tuple[float, ...] = ()
    calibration: CalibrationRecord | None = None
    detection: DetectionRecord | None = None


class CurveRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Accuracy in 0..1 along two lines, each point with its place; None where the features were not finite.

    Attributes:
        euler_steps: After 0..K Euler steps of the default size.
        step_sizes: After K steps of each of `CheckpointSubject.curve_step_sizes`.
    """

    euler_steps: tuple[tuple[float, float | None], ...]
    step_sizes: tuple[tuple[float, float | None], ...]


class EpisodeRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="episode"):
    """One episode by every method that answered it.

    Attributes:
        set: Name of the image set.
        index: Number of the episode.
        n_way: Classes.
        n_support: Support images.
        answers: Of each method.
        curves: When they were asked for.
    """

    set: str
    index: int
    n_way: int
    n_support: int
    answers: dict[str, AnswerRecord]
    curves: CurveRecord | None = None


class MeasuredCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cost of adapting once by one method, beyond its time.

    Attributes:
        peak_mb: Growth of the resident memory while adapting.
        macs: Multiply-accumulates, backward passes included; None where they cannot be counted.
    """

    peak_mb: float
    macs: float | None


class CostRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="costs"):
    """Costs of every method, measured once, on one episode.

    Attributes:
        set: Name of the image set of that episode.
        n_way: Classes of that episode.
        n_support: Support images of that episode.
        methods: Of each method.
    """

    set: str
    n_way: int
    n_support: int
    methods: dict[str, MeasuredCost]


def right_share(labels: Labels, episode: Episode) -> float:
    """Share of right answers, in 0..1: of all queries, or the mean over their groups."""
    groups = group_shares(labels, episode)
    return float(np.mean(groups)) if groups else float((labels == episode.query_labels).mean())


def group_shares(labels: Labels, episode: Episode) -> tuple[float, ...]:
    """Share of right answers in each group of queries; empty without groups."""
    if episode.query_groups is None:
        return ()
    right = labels == episode.query_labels
    return tuple(float(right[episode.query_groups == group].mean()) for group in np.unique(episode.query_groups))


def record_of(answer: Answer, episode: Episode) -> AnswerRecord:
    """Compare an answer with the truth."""
    accuracy, groups = right_share(answer.labels, episode), group_shares(answer.labels, episode)
    scores = answer.scores
    calibration = None if scores is None else calibration_record(scores.probabilities, episode.query_labels)
    detection = detection_record(answer)
    return AnswerRecord(accuracy, answer.seconds, answer.step_size, answer.failed, groups, calibration, detection)
