"""Records of episodes summed up: per set and over sets, with intervals and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.curves import Curve, curves_of
from hyperflow.evaluation.methods import ALL_METHODS
from hyperflow.evaluation.records import CostRecord, EpisodeRecord
from hyperflow.evaluation.statistics import Estimate, fraction_recovered, mean_of, paired_difference, summarise
from hyperflow.evaluation.trust_results import Trust, trust_of

__all__ = ["Evaluation", "MethodCost", "SetResult", "sum_up"]

REFERENCE = "subset_tuning"
_DRIFT_METHODS = ("adapted", "guarded")


class SetResult(msgspec.Struct, frozen=True):
    """Result on one set, or on all together.

    Attributes:
        accuracy: Mean accuracy of each method, in points.
        gain: Paired difference of each other method to `direct`, in points, on the episodes that the method answered.
        per_episode: Accuracy of each method in each episode, in 0..1; empty for the mean over sets.
        n: Values behind each method's mean: episodes, or groups of queries (videos) where a protocol has them.
        recovered: Share of the gain of `subset_tuning` that the drift makes up, in percent, on the same episodes;
            without an entry where that gain is not clear of zero.
        failed: Episodes in which a method diverged and counts as `direct`.
        step_size: Euler step size h of each method in each episode; empty for the mean over sets.
        n_way: Classes of each episode; empty for the mean over sets.
        n_support: Support images of each episode; empty for the mean over sets.
    """

    accuracy: dict[str, Estimate]
    gain: dict[str, Estimate]
    per_episode: dict[str, list[float]]
    n: dict[str, int]
    recovered: dict[str, Estimate]
    failed: dict[str, int]
    step_size: dict[str, list[float | None]]
    n_way: list[int]
    n_support: list[int]


class MethodCost(msgspec.Struct, frozen=True):
    """What adapting by one method costs.

    Attributes:
        seconds: Median over the episodes that it answered.
        peak_mb: Growth of the resident memory, measured once, on the first episode; None when not measured.
        macs: Multiply-accumulates of the same; None where they cannot be counted.
    """

    seconds: float
    peak_mb: float | None
    macs: float | None


class Evaluation(msgspec.Struct, frozen=True):
    """Results of a whole evaluation.

    Attributes:
        subject: What was evaluated.
        config: How.
        sets: Result on each set.
        mean: Over sets, each weighed alike.
        over_groups: Mean accuracy over all groups of queries of all sets, each group weighed alike, in points: ORBIT's
            mean over videos. Empty where a protocol has no groups.
        curves: Over Euler steps and step sizes, when they were asked for.
        cost: Of each method; measured, so never twice the same.
        trust: Calibration, and the detection of unknown classes when it was asked for.
        skipped: Sets that were left out because they are too small, and why.
    """

    subject: str
    config: EvaluationConfig
    sets: dict[str, SetResult]
    mean: SetResult
    over_groups: dict[str, Estimate]
    curves: dict[str, Curve]
    cost: dict[str, MethodCost]
    trust: Trust = Trust()
    skipped: dict[str, str] = {}


def _values(records: Sequence[EpisodeRecord], method: str, *, by: str) -> list[float]:
    """Accuracies of `method` in the episodes that `by` answered, groups apart where there are groups."""
    answers = [record.answers[method] for record in records if by in record.answers]
    return [value for answer in answers for value in answer.groups or (answer.accuracy,)]


def _gains(records: Sequence[EpisodeRecord], method: str, *, by: str) -> list[float]:
    """Differences of `method` to direct in the episodes that `by` answered."""
    pairs = zip(_values(records, method, by=by), _values(records, "direct", by=by), strict=True)
    return [value - direct for value, direct in pairs]


def _recovered(sets: Sequence[Sequence[EpisodeRecord]], methods: Sequence[str]) -> dict[str, Estimate]:
    if REFERENCE not in methods:
        return {}
    reference = [_gains(records, REFERENCE, by=REFERENCE) for records in sets]
    fractions = {
        method: fraction_recovered([_gains(records, method, by=REFERENCE) for records in sets], reference)
        for method in _DRIFT_METHODS
        if method in methods
    }
    return {method: fraction for method, fraction in fractions.items() if fraction is not None}


def _set_result(records: Sequence[EpisodeRecord], methods: Sequence[str]) -> SetResult:
    answers = {m: [record.answers[m] for record in records if m in record.answers] for m in methods}
    values = {method: _values(records, method, by=method) for method in methods}
    return SetResult(
        accuracy={method: summarise(values[method]) for method in methods},
        gain={
            method: paired_difference(values[method], _values(records, "direct", by=method))
            for method in methods
            if method != "direct"
        },
        per_episode={method: [answer.accuracy for answer in answers[method]] for method in methods},
        n={method: len(values[method]) for method in methods},
        recovered=_recovered([records], methods),
        failed={method: sum(answer.failed for answer in answers[method]) for method in methods},
        step_size={method: [answer.step_size for answer in answers[method]] for method in methods},
        n_way=[record.n_way for record in records],
        n_support=[record.n_support for record in records],
    )


def _mean_result(results: Sequence[SetResult], recovered: dict[str, Estimate]) -> SetResult:
    methods = list(results[0].accuracy)
    return SetResult(
        accuracy={method: mean_of([result.accuracy[method] for result in results]) for method in methods},
        gain={m: mean_of([result.gain[m] for result in results]) for m in methods if m != "direct"},
        per_episode={},
        n={method: sum(result.n[method] for result in results) for method in methods},
        recovered=recovered,
        failed={method: sum(result.failed[method] for result in results) for method in methods},
        step_size={},
        n_way=[],
        n_support=[],
    )


def _costs(
    records: Sequence[EpisodeRecord], measured: CostRecord | None, methods: Sequence[str]
) -> dict[str, MethodCost]:
    costs = {}
    for method in methods:
        seconds = [record.answers[method].seconds for record in records if method in record.answers]
        one = measured.methods.get(method) if measured else None
        costs[method] = MethodCost(float(np.median(seconds)), one.peak_mb if one else None, one.macs if one else None)
    return costs


def sum_up(
    subject: str, config: EvaluationConfig, records: Mapping[str, Sequence[EpisodeRecord]], costs: CostRecord | None
) -> Evaluation:
    """Sum up the records of every set.

    Args:
        subject: What to call the subject.
        config: Of the evaluation.
        records: Of each set, in the order of the episodes.
        costs: What was measured, if it was.
    """
    methods = [method for method in ALL_METHODS if method in config.methods]
    sets = {name: _set_result(of_set, methods) for name, of_set in records.items()}
    mean = _mean_result(list(sets.values()), _recovered(list(records.values()), methods))
    every = [record for of_set in records.values() for record in of_set]
    has_groups = any(answer.groups for record in every for answer in record.answers.values())
    over_groups = {m: summarise(_values(every, m, by=m)) for m in methods} if has_groups else {}
    trust = trust_of(records, methods, with_unknown=config.unknown)
    curves, cost = curves_of(records), _costs(every, costs, methods)
    return Evaluation(subject, config, sets, mean, over_groups, curves, cost, trust)
