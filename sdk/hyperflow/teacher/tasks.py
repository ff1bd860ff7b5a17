"""Fixed lists of tasks to simulate: which classes of which set, and the seed of everything random about each."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hyperflow.episodes.sampling import episode_rng
from hyperflow.errors import ConfigError, DataError
from hyperflow.images.packed import PackedSet

__all__ = ["MIN_IMAGES", "Task", "TaskRule", "draw_tasks"]

MIN_IMAGES = 2
"""A class needs one image to learn from and another to be tested on."""


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A classification task, named so that it can be found again.

    Attributes:
        set_name: Image set.
        class_names: Its classes, 2 or more; label i is `class_names[i]`.
        seed: Seed of everything random about the task.
    """

    set_name: str
    class_names: tuple[str, ...]
    seed: int


class TaskRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to draw a list of tasks.

    Attributes:
        per_set: Tasks of every image set.
        ways: Least and most classes of a task; a set with fewer classes than the most uses all it has.
        seed: Seed of the list.

    Raises:
        ConfigError: No task, or ways out of range or order.
    """

    per_set: int = 50
    ways: tuple[int, int] = (3, 10)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.per_set < 1 or self.seed < 0:
            raise ConfigError(f"per_set must be at least 1 and seed at least 0, got {self.per_set}, {self.seed}")
        if not 2 <= self.ways[0] <= self.ways[1]:
            raise ConfigError(f"ways must be 2 or more, least first, got {self.ways}")


def _draw(domain: PackedSet, rule: TaskRule, index: int) -> Task:
    large_enough = [
        name for name, size in zip(domain.class_names, domain.class_sizes, strict=True) if size >= MIN_IMAGES
    ]
    if len(large_enough) < rule.ways[0]:
        raise DataError(
            f"{domain.name} has {len(large_enough)} classes of {MIN_IMAGES} or more images (of {len(domain.rows)}), "
            f"fewer than ways[0]={rule.ways[0]}; lower it, add images, or leave the set out"
        )
    rng = episode_rng(rule.seed, domain.name, index)
    n_way = int(rng.integers(rule.ways[0], min(rule.ways[1], len(large_enough)) + 1))
    picked = rng.choice(len(large_enough), size=n_way, replace=False)
    return Task(domain.name, tuple(large_enough[c] for c in picked), int(rng.integers(2**31)))


def draw_tasks(domains: Sequence[PackedSet], rule: TaskRule) -> tuple[Task, ...]:
    """Draw the list, one task of each set after the other, so that any beginning of it covers all sets alike.

    The same rule and sets give the same list; task i of a set does not depend on the other sets, nor on `per_set`.

    Args:
        domains: Sets to draw from.
        rule: How.

    Raises:
        DataError: No set, or one with too few classes of two images.
    """
    if not domains:
        raise DataError("no image set to draw tasks from; the split must leave classes for refinement")
    return tuple(_draw(domain, rule, index) for index in range(rule.per_set) for domain in domains)
