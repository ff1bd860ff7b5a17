"""Fine-tuning one network by several recipes on the same episodes: gain, size and time of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click
import msgspec
from study import Study
from study_episodes import config_of, evaluate_all
from tunable_models import ChosenRate, Start, choose_rate, method_of, model_of, recipes_of

from hyperflow.adapted.subset import Subset
from hyperflow.errors import ConfigError
from hyperflow.evaluation.statistics import Estimate
from hyperflow.images.image_set import ImageSet
from hyperflow.model import HyperFlow
from hyperflow.teacher.fine_tuning import FineTuning
from hyperflow.teacher.tunable import tunable_of

__all__ = ["Choosing", "Tuned", "TuningArm", "arms_of", "tune_all"]


class Tuned(msgspec.Struct, frozen=True):
    """What one kind of fine-tuning does.

    Attributes:
        n_parameters: Numbers that move.
        gain: Paired difference in accuracy to direct transfer, in points, mean over sets.
        gain_of_sets: The same of each set.
        direct: Accuracy without fine-tuning, mean over sets, in points; the same for all kinds of one network.
        direct_of_sets: The same of each set.
        seconds: Of adapting, median over the episodes.
        peak_mb: Growth of the resident memory while adapting, on one episode; None where not measured.
        macs: Multiply-accumulates of the same.
        failed: Episodes in which it diverged and counts as direct transfer.
        chosen: The learning rate.
    """

    n_parameters: int
    gain: Estimate
    gain_of_sets: dict[str, Estimate]
    direct: Estimate
    direct_of_sets: dict[str, Estimate]
    seconds: float
    peak_mb: float | None
    macs: float | None
    failed: int
    chosen: ChosenRate


@dataclass(frozen=True)
class Choosing:
    """How learning rates are chosen.

    Attributes:
        study: Episodes that choose.
        sets: Where these come from.
        rates: To choose from for a subset, in units of the backbone.
        plain_rates: To choose from where all weights move.
    """

    study: Study
    sets: Sequence[ImageSet]
    rates: Sequence[float]
    plain_rates: Sequence[float] = ()


@dataclass(frozen=True)
class TuningArm:
    """A model and how it is tuned."""

    name: str
    model: HyperFlow
    chosen: ChosenRate


def arms_of(
    start: Start, subsets: Mapping[str, Subset | None], *, n_steps: int, choosing: Choosing, quiet: bool
) -> tuple[list[TuningArm], dict[str, str]]:
    """Build a model for each subset and choose its learning rate.

    Args:
        start: The network.
        subsets: By name; None moves all weights.
        n_steps: Adam steps.
        choosing: How.
        quiet: Say nothing.

    Returns:
        What can be tuned; and why not, for each name that reaches nothing in this network.
    """
    arms, left_out = [], {}
    for name, subset in subsets.items():
        try:
            model = model_of(start, subset or Subset())
        except ConfigError as error:
            left_out[name] = str(error)
            continue
        recipe = FineTuning("subset" if subset else "all", n_steps=n_steps)
        rates = choosing.rates if subset else choosing.plain_rates
        if not quiet:
            click.echo(f"{start.name}: choosing the learning rate of {name}", err=True)
        arms.append(TuningArm(name, model, choose_rate(choosing.study, model, choosing.sets, recipe, rates)))
    return arms, left_out


def tune_all(
    study: Study, sets: Sequence[ImageSet], arms: Sequence[TuningArm], *, costs: bool
) -> dict[str, Tuned]:  # fmt: skip
    """Fine-tune on every episode by every arm.

    Args:
        study: Which episodes.
        sets: Where from.
        arms: Of `arms_of`.
        costs: Also measure memory and multiply-accumulates, once for each arm.

    Raises:
        DataError: A set is too small.
    """
    jobs = [
        (
            arm.name,
            arm.model,
            config_of(
                study, ("direct", method_of(arm.chosen.recipe)), recipes=recipes_of(arm.chosen.recipe), costs=costs
            ),
            sets,
        )
        for arm in arms
    ]
    found = {}
    for arm, evaluation in zip(arms, evaluate_all(jobs, quiet=study.quiet), strict=True):
        recipe = arm.chosen.recipe
        method = method_of(recipe)
        cost = evaluation.cost[method]
        found[arm.name] = Tuned(
            n_parameters=tunable_of(arm.model, recipe.parameters).start.numel(),
            gain=evaluation.mean.gain[method],
            gain_of_sets={name: result.gain[method] for name, result in evaluation.sets.items()},
            direct=evaluation.mean.accuracy["direct"],
            direct_of_sets={name: result.accuracy["direct"] for name, result in evaluation.sets.items()},
            seconds=cost.seconds,
            peak_mb=cost.peak_mb,
            macs=cost.macs,
            failed=evaluation.mean.failed[method],
            chosen=arm.chosen,
        )
    return found
