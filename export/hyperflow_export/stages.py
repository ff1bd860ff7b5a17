"""Stages of an export: what each is called, how long it takes, and how much it makes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Stage", "Stages"]


@dataclass(frozen=True)
class Stage:
    """One finished stage: what, how long, and how many bytes it made (0 for none)."""

    name: str
    seconds: float
    size_bytes: int


class Stages:
    """Times stages and tells of each.

    Attributes:
        done: Stages that ended without an error, in their order.
    """

    def __init__(self, announce: Callable[[Stage], None]) -> None:
        """Call `announce` after each stage."""
        self.done: list[Stage] = []
        self._announce = announce

    @contextmanager
    def stage(self, name: str) -> Iterator[list[int]]:
        """Time a stage; what is appended to the yielded list is its size in bytes."""
        sizes: list[int] = []
        start = time.perf_counter()
        yield sizes
        self.done.append(Stage(name, time.perf_counter() - start, sum(sizes)))
        self._announce(self.done[-1])
