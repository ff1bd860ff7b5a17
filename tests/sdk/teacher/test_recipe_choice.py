"""Choosing a recipe: by query accuracy on the given tasks, with doing nothing always among the arms."""

from __future__ import annotations

import pytest
import torch

from hyperflow.adapted.prototypes import cosine_scores, prototypes_of
from hyperflow.errors import ConfigError
from hyperflow.model import HyperFlow
from hyperflow.teacher.descent import TaskBatch
from hyperflow.teacher.fine_tuning import FineTuning, fine_tune
from hyperflow.teacher.recipe_choice import choose_recipe


def _task(seed: int) -> TaskBatch:
    """Two classes that differ faintly in colour."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0, 1]).repeat_interleave(3).tolist() + [0] * 10 + [1] * 10
    tint = torch.tensor([0.0, 0.25])[torch.tensor(labels)][:, None, None]
    images = torch.randn(26, 3, 32, 32, generator=generator)
    images[:, 0] += tint
    return TaskBatch(images, torch.eye(2).repeat_interleave(3, dim=0), torch.tensor(labels[6:]))


def _accuracy(model: HyperFlow, task: TaskBatch, theta: torch.Tensor) -> float:
    features = model.encode(task.images, theta)
    cosines = cosine_scores(features[6:], prototypes_of(features[:6], task.labels_onehot))
    return (cosines.argmax(dim=1) == task.query_labels).float().mean().item()


def test_every_arm_has_the_accuracy_of_its_own_run_and_the_best_is_chosen(tiny_model: HyperFlow) -> None:
    tasks = [_task(0), _task(1)]
    base = FineTuning(augmentation=0.5)
    grid = [(0.01, 2), (0.01, 5), (0.1, 5)]

    choice = choose_recipe(tiny_model, tasks, grid, base=base, seed=3)

    assert set(choice.accuracy) == {(0.0, 0), *grid}
    assert choice.n_tasks == 2
    theta_0 = tiny_model.backbone.theta_0
    assert choice.accuracy[0.0, 0] == pytest.approx(sum(_accuracy(tiny_model, task, theta_0) for task in tasks) / 2)
    recipe = FineTuning(augmentation=0.5, learning_rate=0.01, n_steps=2)
    expected = []
    for index, task in enumerate(tasks):
        generator = torch.Generator().manual_seed(3 * 1_000_003 + index)
        tuned = fine_tune(tiny_model, task.images[:6], task.labels_onehot, recipe, generator=generator)
        expected.append(_accuracy(tiny_model, task, tuned.theta))
    assert choice.accuracy[0.01, 2] == pytest.approx(sum(expected) / 2)
    best = choice.accuracy[choice.recipe.learning_rate, choice.recipe.n_steps]
    assert best == max(choice.accuracy.values())
    assert choice.recipe.augmentation == 0.5


def test_doing_nothing_wins_where_tuning_only_hurts(tiny_model: HyperFlow) -> None:
    task = _task(0)
    # Queries labelled as the untuned model answers: nothing can beat doing nothing.
    features = tiny_model.encode(task.images)
    answers = cosine_scores(features[6:], prototypes_of(features[:6], task.labels_onehot)).argmax(dim=1)

    choice = choose_recipe(tiny_model, [task._replace(query_labels=answers)], [(1e-7, 1), (3.0, 20)])

    assert choice.accuracy[0.0, 0] == 1.0
    assert (choice.recipe.learning_rate, choice.recipe.n_steps) == (0.0, 0)


@pytest.mark.parametrize("grid", [[], [(0.0, 5)], [(0.1, 0)]])
def test_a_grid_without_a_recipe_is_refused(tiny_model: HyperFlow, grid: list[tuple[float, int]]) -> None:
    with pytest.raises(ConfigError, match=r"grid must hold a \(rate, steps\) above 0"):
        choose_recipe(tiny_model, [_task(0)], grid)


def test_choosing_needs_a_task(tiny_model: HyperFlow) -> None:
    with pytest.raises(ConfigError, match="at least one meta-validation task"):
        choose_recipe(tiny_model, [], [(0.1, 1)])
