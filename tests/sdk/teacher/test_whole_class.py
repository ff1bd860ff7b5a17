"""Task lists and what the teachers draw from whole classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hyperflow.errors import ConfigError, DataError
from hyperflow.images.packed import PackedSet
from hyperflow.images.preprocessing import Preprocessing
from hyperflow.teacher.tasks import Task, TaskRule, draw_tasks
from hyperflow.teacher.whole_class import SupportTeacher, WholeClassTeacher, batches_of, n_images_per_step

RULE = Preprocessing(16, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def _domain(name: str, sizes: list[int]) -> PackedSet:
    """A set whose pixels are never looked at."""
    ends = np.cumsum(sizes)
    rows = tuple(np.split(np.arange(ends[-1]), ends[:-1])) if sizes else ()
    names = tuple(f"class{c}" for c in range(len(sizes)))
    return PackedSet(name, names, rows, np.zeros((sum(sizes), 2, 2, 3), np.uint8))


def _numbered(sizes: list[int]) -> list[NDArray[np.uint8]]:
    """Classes whose images are plain grey, each of its own level."""
    first = np.concatenate([[0], np.cumsum(sizes)])
    return [
        np.broadcast_to(
            np.arange(first[c], first[c + 1], dtype=np.uint8)[:, None, None, None], (size, 18, 18, 3)
        ).copy()
        for c, size in enumerate(sizes)
    ]


def _levels(images: torch.Tensor) -> list[int]:
    return (images[:, 0, 8, 8] * 255).round().int().tolist()


@given(st.lists(st.integers(2, 40), min_size=1, max_size=5), st.integers(0, 100))
@settings(deadline=None)
def test_every_step_splits_each_class_anew_without_overlap(sizes: list[int], seed: int) -> None:
    classes = _numbered(sizes)
    teacher = WholeClassTeacher()
    draw = batches_of(teacher, classes, RULE, np.random.default_rng(seed))
    owner = np.repeat(np.arange(len(sizes)), sizes)

    for step in range(3):
        images, onehot, query_labels = draw(step)
        support, queries = _levels(images[: len(onehot)]), _levels(images[len(onehot) :])
        assert len(set(support) | set(queries)) == len(support) + len(queries)  # no image twice
        assert owner[support].tolist() == onehot.argmax(dim=1).tolist()
        assert owner[queries].tolist() == query_labels.tolist()
        assert onehot.sum(dim=0).tolist() == [min(5, size // 2) for size in sizes]
        assert all((query_labels == c).sum() == min(15, size - min(5, size // 2)) for c, size in enumerate(sizes))
        assert len(images) == n_images_per_step(teacher, sizes)


def test_two_steps_see_different_images() -> None:
    draw = batches_of(WholeClassTeacher(), _numbered([50, 50]), RULE, np.random.default_rng(0))

    assert _levels(draw(0).images) != _levels(draw(1).images)


def test_the_support_teacher_keeps_its_support_and_changes_the_copies() -> None:
    teacher = SupportTeacher(n_shot=4, augmentation=1.0)
    classes = _numbered([3, 20])
    draw = batches_of(teacher, classes, RULE, np.random.default_rng(0))

    first, second = draw(0), draw(1)

    assert torch.equal(first.images[:7], second.images[:7])
    assert not torch.allclose(first.images[7:], second.images[7:])
    assert first.labels_onehot.sum(dim=0).tolist() == [3, 4]
    assert first.query_labels.tolist() == [0] * 3 + [1] * 4
    assert len(first.images) == n_images_per_step(teacher, [3, 20])


@pytest.mark.parametrize("teacher", [WholeClassTeacher(), SupportTeacher()])
def test_a_class_of_one_image_is_refused(teacher: WholeClassTeacher | SupportTeacher) -> None:
    with pytest.raises(DataError, match=r"needs 2 images or more, got classes of \[5, 1\]"):
        batches_of(teacher, _numbered([5, 1]), RULE, np.random.default_rng(0))


def test_a_teacher_that_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1, got 0, 15"):
        WholeClassTeacher(n_support=0)
    with pytest.raises(ConfigError, match="n_shot must be at least 1"):
        SupportTeacher(n_shot=0)


@given(seed=st.integers(0, 1000), least=st.integers(2, 4), more=st.integers(0, 6))
@settings(deadline=None)
def test_a_list_of_tasks_is_replayable_and_keeps_to_its_rule(seed: int, least: int, more: int) -> None:
    domains = [_domain("a", [9] * 6), _domain("b", [3, 1, 5, 2, 8])]
    rule = TaskRule(per_set=5, ways=(least, least + more), seed=seed)

    tasks = draw_tasks(domains, rule)

    assert tasks == draw_tasks(domains, rule)
    assert [task.set_name for task in tasks] == ["a", "b"] * 5
    for task in tasks:
        assert least <= len(task.class_names) == len(set(task.class_names)) <= least + more
    assert not any("class1" in task.class_names for task in tasks if task.set_name == "b")  # it has one image


def test_a_longer_list_begins_with_the_shorter_and_other_sets_change_nothing() -> None:
    a, b = _domain("a", [9] * 6), _domain("b", [4] * 8)
    short = draw_tasks([a], TaskRule(per_set=3))
    long = draw_tasks([a, b], TaskRule(per_set=7))

    assert tuple(task for task in long if task.set_name == "a")[:3] == short
    assert draw_tasks([a], TaskRule(per_set=3, seed=1)) != short
    assert isinstance(short[0], Task)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([5, 5, 1, 1], r"odd has 2 classes of 2 or more images \(of 4\), fewer than ways\[0\]=3"),
        ([], r"odd has 0 classes"),
    ],
)
def test_a_set_with_too_few_classes_is_refused_by_name(sizes: list[int], message: str) -> None:
    odd = _domain("odd", sizes) if sizes else PackedSet("odd", (), (), np.zeros((0, 2, 2, 3), np.uint8))

    with pytest.raises(DataError, match=message):
        draw_tasks([_domain("a", [9] * 6), odd], TaskRule())


def test_tasks_need_a_set() -> None:
    with pytest.raises(DataError, match="no image set to draw tasks from"):
        draw_tasks([], TaskRule())


@pytest.mark.parametrize("values", [{"per_set": 0}, {"ways": (1, 5)}, {"ways": (5, 4)}, {"seed": -1}])
def test_a_rule_that_cannot_work_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        TaskRule(**values)  # type: ignore[arg-type]
