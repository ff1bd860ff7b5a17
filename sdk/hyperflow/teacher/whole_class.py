"""The strong teacher: every step sees another support and other queries of the same classes.

What it learns is the task, not one support set; HyperFlow (arXiv:2504.15323) gives the drift only a few-shot support
and this trajectory to follow.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from hyperflow.errors import ConfigError, DataError
from hyperflow.images.preprocessing import Preprocessing, normalise
from hyperflow.images.tensors import as_unit_images, shrink
from hyperflow.teacher.augmentation import pseudo_query
from hyperflow.teacher.descent import TaskBatch
from hyperflow.teacher.tasks import MIN_IMAGES

__all__ = ["SupportTeacher", "Teacher", "WholeClassTeacher", "batches_of", "n_images_per_step"]


class WholeClassTeacher(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="whole_class"):
    """Draw support and queries anew at every step, disjoint, from all images of each class.

    Attributes:
        n_support: Most support images a class; at most half of the class.
        n_query: Most query images a class.

    Raises:
        ConfigError: A count below 1.
    """

    n_support: int = 5
    n_query: int = 15

    def __post_init__(self) -> None:
        if min(self.n_support, self.n_query) < 1:
            raise ConfigError(f"n_support and n_query must be at least 1, got {self.n_support}, {self.n_query}")


class SupportTeacher(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="support"):
    """Fine-tune on one few-shot support and changed copies of it, as a device with gradients would.

    Attributes:
        n_shot: Most support images a class.
        augmentation: Chance that a step's copy of the support is changed, in [0, 1].

    Raises:
        ConfigError: A value out of its range.
    """

    n_shot: int = 5
    augmentation: float = 0.9

    def __post_init__(self) -> None:
        if self.n_shot < 1 or not 0.0 <= self.augmentation <= 1.0:
            raise ConfigError(f"n_shot must be at least 1 and augmentation in [0, 1], got {self}")


Teacher = WholeClassTeacher | SupportTeacher


def _ready(pixels: list[NDArray[np.uint8]], rule: Preprocessing) -> torch.Tensor:
    images = shrink(as_unit_images(np.concatenate(pixels)), rule.size_px)
    return normalise(images.permute(0, 2, 3, 1), rule).contiguous(memory_format=torch.channels_last)


def _onehot(counts: list[int]) -> torch.Tensor:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return functional.one_hot(labels, len(counts)).float()


def n_images_per_step(teacher: Teacher, class_sizes: list[int]) -> int:
    """Images that one step sends through the backbone: what its time is proportional to."""
    if isinstance(teacher, SupportTeacher):
        return sum(2 * min(teacher.n_shot, size) for size in class_sizes)
    supports = [min(teacher.n_support, size // 2) for size in class_sizes]
    return sum(n + min(teacher.n_query, size - n) for n, size in zip(supports, class_sizes, strict=True))


def batches_of(
    teacher: Teacher, classes: list[NDArray[np.uint8]], rule: Preprocessing, rng: np.random.Generator
) -> Callable[[int], TaskBatch]:
    """Set up what each step of a teacher learns from. The same state of `rng` gives the same batches.

    Args:
        teacher: Which.
        classes: RGB pixels of each class, uint8, (n, side, side, 3), n at least 2.
        rule: Preprocessing of the model.
        rng: Source of chance; used on by every call of what is returned.

    Raises:
        DataError: A class with fewer than two images.
    """
    sizes = [len(images) for images in classes]
    if not sizes or min(sizes) < MIN_IMAGES:
        raise DataError(f"every class of a task needs {MIN_IMAGES} images or more, got classes of {sizes}")
    if isinstance(teacher, SupportTeacher):
        return _copies_of_support(teacher, classes, rule, rng)
    return _fresh_splits(teacher, classes, rule, rng)


def _fresh_splits(
    teacher: WholeClassTeacher, classes: list[NDArray[np.uint8]], rule: Preprocessing, rng: np.random.Generator
) -> Callable[[int], TaskBatch]:
    def draw(step: int) -> TaskBatch:
        supports, queries = [], []
        for images in classes:
            n_support = min(teacher.n_support, len(images) // 2)
            order = rng.permutation(len(images))[: n_support + teacher.n_query]
            supports.append(images[order[:n_support]])
            queries.append(images[order[n_support:]])
        labels = _onehot([len(part) for part in queries]).argmax(dim=1)
        return TaskBatch(_ready(supports + queries, rule), _onehot([len(part) for part in supports]), labels)

    return draw


def _copies_of_support(
    teacher: SupportTeacher, classes: list[NDArray[np.uint8]], rule: Preprocessing, rng: np.random.Generator
) -> Callable[[int], TaskBatch]:
    picked = [images[rng.permutation(len(images))[: teacher.n_shot]] for images in classes]
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    clean, labels_onehot = _ready(picked, rule), _onehot([len(part) for part in picked])

    def draw(step: int) -> TaskBatch:
        changed = pseudo_query(clean, generator, probability=teacher.augmentation)
        images = torch.cat([clean, changed]).contiguous(memory_format=torch.channels_last)
        return TaskBatch(images, labels_onehot, labels_onehot.argmax(dim=1))

    return draw
