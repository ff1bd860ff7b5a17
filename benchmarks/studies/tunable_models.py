"""One trained network as several models, each with another subset to fine-tune, and the learning rate of each."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec
import torch
from study import Study
from study_episodes import batch_of, draw_tasks
from torch import nn

from hyperflow.adapted.low_rank import LowRank
from hyperflow.adapted.subset import Subset
from hyperflow.backbones.opening import open_backbone
from hyperflow.checkpoint import load_checkpoint
from hyperflow.datasets.opening import open_datasets
from hyperflow.drift.config import DriftConfig
from hyperflow.errors import ConfigError
from hyperflow.evaluation.checkpoint_subject import CheckpointSubject
from hyperflow.evaluation.recipes import Recipes
from hyperflow.images.image_set import ImageSet
from hyperflow.model import HyperFlow, ModelConfig
from hyperflow.teacher.fine_tuning import FineTuning
from hyperflow.teacher.recipe_choice import choose_recipe

__all__ = ["ChosenRate", "Start", "choose_rate", "choosing_sets", "method_of", "model_of", "open_start", "recipes_of"]

_NO_DRIFT = DriftConfig(
    width=8, encoder_layers=0, encoder_heads=1, field_blocks=0, field_rank=1, channel_width=0, feedback_width=0
)  # never run here, so as small as can be


@dataclass(frozen=True)
class Start:
    """A trained network and what rebuilds it.

    Attributes:
        name: What to call it.
        network: Images to features, in eval mode.
        config: Of its model, with a drift that is never run.
    """

    name: str
    network: nn.Module
    config: ModelConfig


class ChosenRate(msgspec.Struct, frozen=True):
    """A learning rate and how it was found.

    Attributes:
        recipe: With the rate filled in.
        accuracy: Mean query accuracy at each rate tried, in 0..1; "0" is doing nothing.
        at_edge: The rate is the least or the greatest of those tried: the best may lie beyond.
        n_tasks: Tasks that decided; 0 where the rate was given.
    """

    recipe: FineTuning
    accuracy: dict[str, float]
    at_edge: bool
    n_tasks: int


def open_start(checkpoint: Path | None, backbone: str | None, size_px: int | None) -> Start:
    """Open the network of a checkpoint, or one by its word.

    Args:
        checkpoint: Folder; None for `backbone`.
        backbone: As `hyperflow start --backbone` takes it.
        size_px: Side of the input images, for `backbone` alone.

    Raises:
        CheckpointError: It cannot be read.
        ConfigError: Of a kind that cannot be used.
        click.UsageError: Both or neither is given.
    """
    if (checkpoint is None) == (backbone is None):
        raise click.UsageError("give either a CHECKPOINT or --backbone KIND:SOURCE")
    if checkpoint is not None:
        return _of_checkpoint(load_checkpoint(checkpoint))
    opened = open_backbone(str(backbone), size_px)
    config = ModelConfig(
        name=str(backbone), backbone=opened.config, preprocessing=opened.preprocessing, drift=_NO_DRIFT
    )  # fmt: skip
    return Start(str(backbone), opened.network, config)


def _of_checkpoint(model: HyperFlow) -> Start:
    network = copy.deepcopy(model.backbone.network)
    if any(isinstance(module, LowRank) for module in network.modules()):
        raise ConfigError("this checkpoint adapts low_rank changes; start from one of another subset or --backbone")
    for slot in model.backbone.layout.slots:  # theta_0 rules where the two differ
        parameter = network.get_parameter(slot.name)
        values = model.backbone.theta_0[slot.offset : slot.offset + slot.size]
        parameter.data.copy_(values.view_as(parameter))
    return Start(model.config.name, network, msgspec.structs.replace(model.config, drift=_NO_DRIFT))


def model_of(start: Start, subset: Subset) -> HyperFlow:
    """The network with a subset to tune.

    Raises:
        ConfigError: The subset names nothing in this network.
    """
    torch.manual_seed(0)  # low-rank changes draw their fixed half
    return HyperFlow(msgspec.structs.replace(start.config, subset=subset), start.network).eval()


def choosing_sets(choose_on: Path, names: Sequence[str], evaluated: Sequence[ImageSet]) -> list[ImageSet]:
    """Open the sets that choose learning rates.

    Args:
        choose_on: Image sets.
        names: Only these of them; all when empty.
        evaluated: Sets that the study reports, which must have no part in a choice.

    Raises:
        ConfigError: A named set is not there, or a set is also evaluated.
        DataError: No set.
    """
    sets = open_datasets(choose_on)
    known = [one.name for one in sets]
    if missing := [name for name in names if name not in known]:
        raise ConfigError(f"{choose_on} has no set {', '.join(missing)}; it holds {', '.join(known)}")
    chosen = [one for one in sets if not names or one.name in names]
    if both := sorted({one.name for one in chosen} & {one.name for one in evaluated}):
        raise ConfigError(f"{', '.join(both)} would choose learning rates and be evaluated too; name other sets")
    return chosen


def choose_rate(
    study: Study, model: HyperFlow, sets: Sequence[ImageSet], recipe: FineTuning, rates: Sequence[float]
) -> ChosenRate:
    """Choose the learning rate that does best on some sets; doing nothing is tried for comparison, but never chosen.

    Args:
        study: Its `episodes` a set are drawn.
        model: Whose backbone is tuned.
        sets: Not those that are reported.
        recipe: Everything but the rate.
        rates: To choose from, rising.

    Raises:
        DataError: A set is too small.
        TrainingError: A rate diverged; leave it out.
    """
    tasks = draw_tasks(study, sets, CheckpointSubject(model))
    batches = (batch_of(model, episode, task) for _, episode, task in tasks)
    choice = choose_recipe(model, batches, [(rate, recipe.n_steps) for rate in rates], base=recipe, seed=study.seed)
    best = max(rates, key=lambda rate: (choice.accuracy[rate, recipe.n_steps], -rate))
    return ChosenRate(
        recipe=msgspec.structs.replace(recipe, learning_rate=best),
        accuracy={f"{rate:g}": accuracy for (rate, _), accuracy in choice.accuracy.items()},
        at_edge=len(rates) > 1 and best in (rates[0], rates[-1]),
        n_tasks=choice.n_tasks,
    )


def method_of(recipe: FineTuning) -> str:
    """Method of an evaluation that runs a recipe."""
    return "full_tuning" if recipe.parameters == "all" else "subset_tuning"


def recipes_of(recipe: FineTuning) -> Recipes:
    """Recipes of an evaluation that runs one of them."""
    return Recipes(**{method_of(recipe): recipe})  # type: ignore[arg-type]
