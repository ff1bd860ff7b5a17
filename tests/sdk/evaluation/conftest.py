"""Two small sets, and a way to give the tiny model other defaults for the device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hyperflow.evaluation.checkpoint_subject import CheckpointSubject
from hyperflow.evaluation.methods import Frame, Task
from hyperflow.evaluation.recipes import Recipes
from hyperflow.images.image_set import ImageSet, open_image_set
from hyperflow.model import DeviceDefaults, HyperFlow

MakeSubject = Callable[..., CheckpointSubject]
MakeTask = Callable[..., Task]


@pytest.fixture(scope="module")
def sets(shape_sets: Path) -> list[ImageSet]:
    return [open_image_set(shape_sets / name) for name in ("disc", "square")]


@pytest.fixture
def make_subject(tiny_model: HyperFlow) -> MakeSubject:
    """Make a subject of the tiny model with defaults for the device and recipes."""

    def make(recipes: Recipes | None = None, **device: object) -> CheckpointSubject:
        if device:
            tiny_model.config = msgspec.structs.replace(tiny_model.config, device=DeviceDefaults(**device))
        return CheckpointSubject(tiny_model, recipes)

    return make


@pytest.fixture
def make_shape_task(shape_sets: Path) -> MakeTask:
    """Make a task of telling four shapes apart, whatever their colour: 16 support and 16 query images of each."""

    def make(subject: CheckpointSubject) -> Task:
        shapes = [open_image_set(shape_sets / name) for name in ("cross", "disc", "square", "triangle")]

        def frames(first: int) -> tuple[Frame, ...]:
            rows = [14 * colour + index for colour in range(8) for index in (first, first + 1)]
            return tuple(subject.frame(shape.image(shape.member(row))) for shape in shapes for row in rows)

        return Task(frames(0), np.arange(4).repeat(16), frames(2), 4)

    return make


@pytest.fixture
def make_task(shape_sets: Path) -> MakeTask:
    """Make a task of eight classes with five queries of each."""

    def make(subject: CheckpointSubject, n_shot: int = 4, seed: int = 0) -> Task:
        image_set = open_image_set(shape_sets / "triangle")
        groups = list(image_set.classes.values())
        frames = {member: subject.frame(image_set.image(member)) for group in groups for member in group[:10]}
        support = tuple(frames[member] for group in groups for member in group[:n_shot])
        queries = tuple(frames[member] for group in groups for member in group[5:10])
        return Task(support, np.arange(8).repeat(n_shot), queries, 8, seed)

    return make
