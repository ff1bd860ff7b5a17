"""Named steps with their seconds, printed while they run and kept for the report."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["Steps"]


@dataclass
class Steps:
    """Times of the steps so far.

    Attributes:
        seconds: Of each step that ended, in order.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Print a line beside the steps; on standard error, so that standard output is the result alone."""
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a block under a name."""
        self.say(f"{name} ...")
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 1)
        self.say(f"{name}: {self.seconds[name]:.1f} s")

    def table(self) -> str:
        """All steps and their sum, a line each."""
        rows = [*self.seconds.items(), ("all steps", sum(self.seconds.values()))]
        return "\n".join(f"  {name:<58} {seconds:>7.1f} s" for name, seconds in rows)
