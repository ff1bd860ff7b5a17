"""Accuracy along the Euler steps, and over the step size, on the same episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hyperflow.evaluation.records import CurveRecord, EpisodeRecord
from hyperflow.evaluation.statistics import Estimate, mean_of, paired_difference, summarise

__all__ = ["Curve", "CurvePoint", "curves_of"]


class CurvePoint(msgspec.Struct, frozen=True):
    """One point.

    Attributes:
        x: Number of Euler steps, or step size h.
        accuracy: In points; None where the features of some episode were not finite.
        gain: Paired difference to the first point, which is theta_0.
    """

    x: float
    accuracy: Estimate | None
    gain: Estimate | None


class Curve(msgspec.Struct, frozen=True):
    """One line for each set, and the mean of them, each set weighed alike."""

    sets: dict[str, list[CurvePoint]]
    mean: list[CurvePoint]


def _point(x: float, values: Sequence[float | None], first: Sequence[float | None]) -> CurvePoint:
    finite = [value for value in values if value is not None]
    base = [value for value in first if value is not None]
    if len(finite) < len(values) or len(base) < len(first):
        return CurvePoint(x, None, None)
    return CurvePoint(x, summarise(finite), paired_difference(finite, base))


def _mean_point(points: Sequence[CurvePoint]) -> CurvePoint:
    accuracies = [point.accuracy for point in points if point.accuracy is not None]
    gains = [point.gain for point in points if point.gain is not None]
    if len(accuracies) < len(points):
        return CurvePoint(points[0].x, None, None)
    return CurvePoint(points[0].x, mean_of(accuracies), mean_of(gains))


def _curve(lines: Mapping[str, Sequence[Sequence[tuple[float, float | None]]]]) -> Curve:
    """Sum up, for each set, the lines of its episodes: each a list of x and accuracy in 0..1."""
    sets = {}
    for name, of_set in lines.items():
        columns = list(zip(*of_set, strict=True))
        first = [accuracy for _, accuracy in columns[0]]
        sets[name] = [_point(column[0][0], [accuracy for _, accuracy in column], first) for column in columns]
    return Curve(sets, [_mean_point(points) for points in zip(*sets.values(), strict=True)])


def curves_of(records: Mapping[str, Sequence[EpisodeRecord]]) -> dict[str, Curve]:
    """Sum up the curves of all records; nothing where they were not asked for.

    Returns:
        `euler_steps`: over the number of Euler steps of the default size. `step_size`: over h.
    """
    found: dict[str, list[CurveRecord]] = {
        name: [record.curves for record in of_set if record.curves is not None] for name, of_set in records.items()
    }
    if not all(found.values()):
        return {}
    return {
        "euler_steps": _curve({name: [one.euler_steps for one in of_set] for name, of_set in found.items()}),
        "step_size": _curve({name: [one.step_sizes for one in of_set] for name, of_set in found.items()}),
    }
