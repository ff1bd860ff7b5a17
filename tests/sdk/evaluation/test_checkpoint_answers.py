"""What a checkpoint answers by the drift: theta_0, theta_K, the guard's choice, and along the curves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from hyperflow.adapted.prototypes import cosine_scores, prototypes_of
from hyperflow.checkpoint import save_checkpoint
from hyperflow.errors import CheckpointError, DataError
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.evaluating import evaluate
from hyperflow.evaluation.methods import Task
from hyperflow.evaluation.subjects import CheckpointSubject, open_subject
from hyperflow.images.image_set import ImageSet
from hyperflow.images.preprocessing import normalise
from hyperflow.model import HyperFlow


@torch.no_grad()
def _by_hand(model: HyperFlow, task: Task, step_sizes: Sequence[float]) -> dict[float, list[int]]:
    onehot = torch.eye(task.n_way)[torch.from_numpy(task.labels)]
    images, others = (
        normalise(torch.from_numpy(np.stack(frames)), model.config.preprocessing)
        for frames in (task.support, task.queries)
    )
    answers = {}
    for step_size in step_sizes:
        theta = model.adapt(model.encode(images), onehot, torch.tensor(step_size)).theta
        prototypes = prototypes_of(model.encode(images, theta), onehot)
        answers[step_size] = cosine_scores(model.encode(others, theta), prototypes).argmax(dim=1).tolist()
    return answers


@pytest.mark.parametrize(
    ("penalties", "n_shot", "expected"),
    [
        ((0.0, 9.0, 9.0), 4, 0.0),
        ((9.0, 0.0, 9.0), 4, 5.0),
        ((9.0, 9.0, 0.0), 4, 20.0),
        ((0.0, 0.0, 9.0), 1, 20.0),
    ],
    ids=["stays", "small step", "large step", "one shot: the default step"],
)
def test_a_checkpoint_answers_direct_adapted_and_by_what_the_guard_chose(
    tiny_model: HyperFlow, make_subject, make_task, penalties: tuple[float, ...], n_shot: int, expected: float
) -> None:
    subject = make_subject(step_size=20.0, candidates=(0.0, 5.0, 20.0), penalties=penalties)
    task = make_task(subject, n_shot)
    by_hand = _by_hand(tiny_model, task, (0.0, 5.0, 20.0))
    assert len({tuple(labels) for labels in by_hand.values()}) == 3

    answers = subject.answer(task)

    assert answers["direct"].labels.tolist() == by_hand[0.0]
    assert answers["adapted"].labels.tolist() == by_hand[20.0]
    assert answers["guarded"].labels.tolist() == by_hand[expected]
    assert {method: answer.step_size for method, answer in answers.items()} == {
        "direct": 0.0, "adapted": 20.0, "guarded": expected
    }  # fmt: skip


@pytest.mark.parametrize(("default", "nearest"), [(20.0, 5.0), (6.0, 5.0), (1.0, 0.0), (2.5, 0.0)])
def test_with_one_shot_and_a_default_that_is_no_candidate_the_nearest_candidate_stands(
    make_subject, make_task, default: float, nearest: float
) -> None:
    subject = make_subject(step_size=default, candidates=(0.0, 5.0), penalties=(0.0, 0.0))

    assert subject.answer(make_task(subject, 1))["guarded"].step_size == nearest


def test_a_batch_of_queries_does_not_change_the_answers(make_subject, make_task) -> None:
    subject = make_subject(step_size=20.0)
    task = make_task(subject)
    many = Task(task.support, task.labels, task.queries * 5, task.n_way)  # more than go through at once

    once, often = (subject.answer(one)["adapted"].labels for one in (task, many))

    assert often.tolist() == once.tolist() * 5


@pytest.mark.parametrize("step_size", [1.0, 20.0])
def test_curves_begin_at_direct_and_end_at_adapted(
    tiny_model: HyperFlow, make_subject, make_task, step_size: float
) -> None:
    subject = make_subject(step_size=step_size)
    task = make_task(subject)

    euler, sized = subject.answers_along(task, subject.curve_step_sizes)

    answers = subject.answer(task)
    assert len(euler) == tiny_model.config.n_steps + 1
    assert euler[0].tolist() == sized[0].tolist() == answers["direct"].labels.tolist()
    assert subject.curve_step_sizes[4] == step_size
    assert euler[-1].tolist() == sized[4].tolist() == answers["adapted"].labels.tolist()


def test_a_point_between_two_euler_steps_is_where_fewer_steps_of_the_same_times_lead(
    tiny_model: HyperFlow, make_subject, make_task
) -> None:
    from hyperflow.evaluation.euler_states import euler_states

    task = make_task(make_subject())
    onehot = torch.eye(8)[torch.from_numpy(task.labels)]
    images = normalise(torch.from_numpy(np.stack(task.support)), tiny_model.config.preprocessing)
    with torch.no_grad():
        base = tiny_model.encode(images)
        states = euler_states(tiny_model, base, onehot, 3.0)
        adapted = tiny_model.adapt(base, onehot, torch.tensor(3.0))

    torch.testing.assert_close(states[0], tiny_model.backbone.theta_0)
    torch.testing.assert_close(states[-1], adapted.theta)
    for before, after, length in zip(states, states[1:], adapted.step_norms, strict=False):
        torch.testing.assert_close(((after - before) / tiny_model.backbone.units).norm(), length, rtol=1e-4, atol=1e-4)


def test_curves_are_summed_up_with_direct_and_adapted_at_their_ends(make_subject, sets: list[ImageSet]) -> None:
    config = EvaluationConfig(8, 2, 3, episodes=3, curves=True, costs=False)

    result, _ = evaluate(make_subject(step_size=20.0), "tiny", sets, config)

    for name, of_set in [*result.sets.items(), ("mean", result.mean)]:
        euler, sized = (
            curve.mean if name == "mean" else curve.sets[name]
            for curve in (result.curves["euler_steps"], result.curves["step_size"])
        )
        assert [point.x for point in euler] == [0, 1, 2]
        assert [point.x for point in sized] == [0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0]
        assert euler[0].accuracy == sized[0].accuracy == of_set.accuracy["direct"]
        assert euler[-1].accuracy == sized[4].accuracy == of_set.accuracy["adapted"]
        assert euler[-1].gain == of_set.gain["adapted"]


def test_features_that_are_not_finite_are_refused_with_set_and_episode(
    tiny_model: HyperFlow, make_subject, sets: list[ImageSet]
) -> None:
    tiny_model.backbone.theta_0[0] = torch.nan

    with pytest.raises(DataError, match="not finite at step size 0"):
        evaluate(make_subject(), "tiny", sets, EvaluationConfig(8, 1, 3, episodes=2, costs=False))


def test_an_adaptation_that_is_not_finite_is_refused_and_left_out_by_the_guard(
    tiny_model: HyperFlow, make_subject, make_task
) -> None:
    subject = make_subject(step_size=1e30, candidates=(0.0, 1e30), penalties=(0.0, 0.0))
    task = make_task(subject)

    answers = subject.answer(task, ("direct", "guarded"))

    assert answers["guarded"].step_size == 0.0
    assert answers["guarded"].labels.tolist() == answers["direct"].labels.tolist()
    with pytest.raises(DataError, match="not finite at step size 1e\\+30"):
        subject.answer(task, ("direct", "adapted"))


def test_a_curve_says_nothing_where_some_episode_was_not_finite(make_subject, sets: list[ImageSet]) -> None:
    subject = make_subject(step_size=1e30, candidates=(0.0,), penalties=(0.0,))
    config = EvaluationConfig(8, 1, 3, episodes=2, methods=("direct", "guarded"), curves=True, costs=False)

    result, _ = evaluate(subject, "tiny", sets, config)

    first, *rest = result.curves["step_size"].mean
    assert first.accuracy == result.mean.accuracy["direct"]
    assert all(point.accuracy is None and point.gain is None for point in rest)


def test_a_checkpoint_is_opened_as_a_subject(tiny_model: HyperFlow, tmp_path: Path) -> None:
    save_checkpoint(tiny_model, tmp_path)

    assert isinstance(open_subject(tmp_path), CheckpointSubject)


def test_a_folder_that_is_neither_checkpoint_nor_bundle_is_refused(tmp_path: Path) -> None:
    message = f"{tmp_path} is neither a checkpoint (config.json) nor a bundle (manifest.json)"

    with pytest.raises(CheckpointError, match=re.escape(message)):
        open_subject(tmp_path)
