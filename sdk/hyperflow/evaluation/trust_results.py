"""What the answers are worth beyond their accuracy, summed up: calibration, and the detection of unknown classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hyperflow.evaluation.calibration import CalibrationRecord, bins_of, calibration_error_of
from hyperflow.evaluation.detection import DetectionRecord
from hyperflow.evaluation.records import EpisodeRecord
from hyperflow.evaluation.statistics import Estimate, mean_of, summarise

__all__ = ["CalibrationResult", "DetectionResult", "Trust", "trust_of"]


class CalibrationResult(msgspec.Struct, frozen=True):
    """Calibration of one method on one set, or on all together.

    Attributes:
        ece: Expected calibration error of the queries of all episodes, 15 bins of equal width, in points; its interval
            is that of a bootstrap over episodes. Over sets: the mean of theirs.
        confidence: Mean probability of the best class, in points; above the accuracy means too sure.
        nll: Mean negative log-likelihood of the true class, in nats.
        counts: Queries in each bin; summed over sets.
        right: Right answers in each bin.
        confidence_sums: Sum of the probabilities of the best classes in each bin.
    """

    ece: Estimate
    confidence: Estimate
    nll: Estimate
    counts: list[int]
    right: list[int]
    confidence_sums: list[float]


class DetectionResult(msgspec.Struct, frozen=True):
    """How one method told unknown queries from known ones on one set, or on all together; in points.

    Attributes:
        auroc: Of the best cosine, by which the product decides; the mean of the episodes' own.
        auroc_probability: Of the probability of the best class.
        known_accepted: Share of the known queries that the product's threshold lets through.
        unknown_rejected: Share of the unknown queries that it answers with "unknown".
        n: Episodes behind the means: those that had an unknown query.
    """

    auroc: Estimate
    auroc_probability: Estimate
    known_accepted: Estimate
    unknown_rejected: Estimate
    n: int


class Trust(msgspec.Struct, frozen=True):
    """Calibration and detection of every method that has them, on each set and over sets, each set weighed alike.

    Attributes:
        calibration: Of each set, by method.
        mean_calibration: By method.
        detection: Of each set with spare classes, by method; empty when not asked for.
        mean_detection: By method, over these sets.
        no_spare_classes: Sets whose episodes hold all their classes, so that nothing in them is unknown; empty when
            not asked for.
    """

    calibration: dict[str, dict[str, CalibrationResult]] = {}
    mean_calibration: dict[str, CalibrationResult] = {}
    detection: dict[str, dict[str, DetectionResult]] = {}
    mean_detection: dict[str, DetectionResult] = {}
    no_spare_classes: list[str] = []


def _calibration(records: Sequence[CalibrationRecord]) -> CalibrationResult:
    counts, right, confidence = bins_of(records).sum(axis=0)
    return CalibrationResult(
        ece=calibration_error_of(records),
        confidence=summarise([sum(record.confidence) / sum(record.counts) for record in records]),
        nll=summarise([record.nll for record in records], scale=1.0),
        counts=counts.astype(int).tolist(),
        right=right.astype(int).tolist(),
        confidence_sums=confidence.tolist(),
    )


def _mean_calibration(results: Sequence[CalibrationResult]) -> CalibrationResult:
    return CalibrationResult(
        ece=mean_of([result.ece for result in results]),
        confidence=mean_of([result.confidence for result in results]),
        nll=mean_of([result.nll for result in results]),
        counts=[sum(column) for column in zip(*(result.counts for result in results), strict=True)],
        right=[sum(column) for column in zip(*(result.right for result in results), strict=True)],
        confidence_sums=[sum(column) for column in zip(*(result.confidence_sums for result in results), strict=True)],
    )


def _detection(records: Sequence[DetectionRecord]) -> DetectionResult:
    return DetectionResult(
        auroc=summarise([record.auroc for record in records]),
        auroc_probability=summarise([record.auroc_probability for record in records]),
        known_accepted=summarise([record.known_accepted for record in records]),
        unknown_rejected=summarise([record.unknown_rejected for record in records]),
        n=len(records),
    )


def _mean_detection(results: Sequence[DetectionResult]) -> DetectionResult:
    return DetectionResult(
        auroc=mean_of([result.auroc for result in results]),
        auroc_probability=mean_of([result.auroc_probability for result in results]),
        known_accepted=mean_of([result.known_accepted for result in results]),
        unknown_rejected=mean_of([result.unknown_rejected for result in results]),
        n=sum(result.n for result in results),
    )


def trust_of(records: Mapping[str, Sequence[EpisodeRecord]], methods: Sequence[str], *, with_unknown: bool) -> Trust:
    """Sum up the calibration and the detection of every set.

    Args:
        records: Of each set.
        methods: In the order of the results.
        with_unknown: Unknown queries were asked for, so a set without any has no spare classes.
    """
    calibration: dict[str, dict[str, CalibrationResult]] = {}
    detection: dict[str, dict[str, DetectionResult]] = {}
    for name, of_set in records.items():
        calibration[name], detection[name] = {}, {}
        for method in methods:
            answers = [record.answers[method] for record in of_set if method in record.answers]
            if calibrations := [answer.calibration for answer in answers if answer.calibration is not None]:
                calibration[name][method] = _calibration(calibrations)
            if detections := [answer.detection for answer in answers if answer.detection is not None]:
                detection[name][method] = _detection(detections)
    by_method = {m: [of_set[m] for of_set in calibration.values() if m in of_set] for m in methods}
    detected = {m: [of_set[m] for of_set in detection.values() if m in of_set] for m in methods}
    return Trust(
        calibration={name: of_set for name, of_set in calibration.items() if of_set},
        mean_calibration={m: _mean_calibration(results) for m, results in by_method.items() if results},
        detection={name: of_set for name, of_set in detection.items() if of_set},
        mean_detection={m: _mean_detection(results) for m, results in detected.items() if results},
        no_spare_classes=[name for name, of_set in detection.items() if with_unknown and not of_set],
    )
