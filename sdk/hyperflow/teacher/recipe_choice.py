"""Choosing learning rate and steps of fine-tuning on meta-validation tasks, never on tasks that will be reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec
import torch

from hyperflow.adapted.prototypes import query_cosines
from hyperflow.errors import ConfigError
from hyperflow.model import HyperFlow
from hyperflow.teacher.descent import TaskBatch
from hyperflow.teacher.fine_tuning import FineTuned, FineTuning, fine_tune

__all__ = ["RecipeChoice", "choose_recipe"]


@dataclass(frozen=True)
class RecipeChoice:
    """The best recipe of a grid.

    Attributes:
        recipe: With rate and steps filled in; rate 0 and no steps when doing nothing was best.
        accuracy: Mean query accuracy, 0..1, of every (rate, steps); (0, 0) is doing nothing.
        n_tasks: Tasks that the means are over.
    """

    recipe: FineTuning
    accuracy: dict[tuple[float, int], float]
    n_tasks: int


def _accuracy(tuned: FineTuned, task: TaskBatch) -> float:
    cosines = query_cosines(tuned.encode(task.images), task.labels_onehot)
    return (cosines.argmax(dim=1) == task.query_labels).float().mean().item()


def choose_recipe(
    model: HyperFlow,
    tasks: Iterable[TaskBatch],
    grid: Sequence[tuple[float, int]],
    *,
    base: FineTuning | None = None,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> RecipeChoice:
    """Fine-tune on the support of each task with every (rate, steps) and score its queries.

    Each rate runs once, for the most steps it has in the grid. Of equal arms the one with fewer steps, then the lower
    rate, wins, and doing nothing wins over all that are no better.

    Args:
        model: Not changed.
        tasks: Meta-validation tasks: support and queries.
        grid: Pairs of learning rate and steps; doing nothing is added.
        base: Everything else about the recipe; the defaults when None.
        seed: Seed of the augmentation; task i draws the same under every rate.
        progress: Called after each task and rate.

    Raises:
        ConfigError: No task, or an empty grid.
    """
    base = base or FineTuning()
    steps_of: dict[float, list[int]] = {}
    for rate, n_steps in grid:
        if rate > 0 and n_steps > 0:
            steps_of.setdefault(rate, []).append(n_steps)
    if not steps_of:
        raise ConfigError(f"the grid must hold a (rate, steps) above 0, got {list(grid)}")
    scores: dict[tuple[float, int], list[float]] = {(0.0, 0): []}
    idle = msgspec.structs.replace(base, learning_rate=0.0, n_steps=0)
    for index, task in enumerate(tasks):
        support = task.images[: len(task.labels_onehot)]

        def tuned(recipe: FineTuning, support: torch.Tensor = support, index: int = index, task: TaskBatch = task,
                  checkpoints: Sequence[int] = ()) -> FineTuned:  # fmt: skip
            generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
            return fine_tune(model, support, task.labels_onehot, recipe, generator=generator, checkpoints=checkpoints)

        scores[0.0, 0].append(_accuracy(tuned(idle), task))
        for rate, steps in steps_of.items():
            outcome = tuned(
                msgspec.structs.replace(base, learning_rate=rate, n_steps=max(steps)), checkpoints=sorted(set(steps))
            )
            for n_steps in set(steps):
                scores.setdefault((rate, n_steps), []).append(_accuracy(outcome.at(n_steps), task))
            if progress is not None:
                progress()
    n_tasks = len(scores[0.0, 0])
    if not n_tasks:
        raise ConfigError("choosing a recipe needs at least one meta-validation task, got none")
    accuracy = {arm: sum(found) / n_tasks for arm, found in scores.items()}
    rate, n_steps = min(accuracy, key=lambda arm: (-accuracy[arm], arm[1], arm[0]))
    return RecipeChoice(msgspec.structs.replace(base, learning_rate=rate, n_steps=n_steps), accuracy, n_tasks)
