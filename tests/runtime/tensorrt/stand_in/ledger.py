"""What happened to a stand-in, in order, and everything that the real libraries would have punished."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Literal, NamedTuple, NoReturn

__all__ = ["Entry", "Kind", "Ledger", "StandInMisuse"]

Kind = Literal[
    "builder", "device memory", "engine", "event", "execution context", "host memory", "primary context", "runtime",
    "stream",
]  # fmt: skip


class StandInMisuse(AssertionError):
    """A call that real CUDA or TensorRT answers with a crash, wrong numbers or a leak."""


class Entry(NamedTuple):
    """One line of the ledger."""

    verb: Literal["freed", "made"]
    kind: Kind
    number: int


class Ledger:
    """Lists what is made and freed, and misuses, also those whose exception somebody swallowed.

    Attributes:
        entries: In the order in which they happened.
        misuses: In words.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.misuses: list[str] = []
        self._n_made = 0
        self._lock = threading.RLock()

    def made(self, kind: Kind) -> int:
        """Note that a thing was made, and number it."""
        with self._lock:
            self._n_made += 1
            self.entries.append(Entry("made", kind, self._n_made))
            return self._n_made

    def freed(self, kind: Kind, number: int) -> None:
        """Note that a thing is gone."""
        with self._lock:
            self.entries.append(Entry("freed", kind, number))

    def n_made(self, kind: Kind) -> int:
        """How many things of a kind were ever made."""
        return sum(entry.verb == "made" and entry.kind == kind for entry in self.entries)

    def live(self) -> Counter[Kind]:
        """How many things of each kind are there now; kinds without any are not listed."""
        with self._lock:
            counts: Counter[Kind] = Counter()
            for entry in self.entries:
                counts[entry.kind] += 1 if entry.verb == "made" else -1
        return +counts

    def order_freed(self) -> list[Kind]:
        """Kinds in the order in which things were freed."""
        return [entry.kind for entry in self.entries if entry.verb == "freed"]

    def note(self, text: str) -> None:
        """Note a misuse, and let the program go on, as the real library does."""
        with self._lock:
            self.misuses.append(text)

    def misuse(self, text: str) -> NoReturn:
        """Note a misuse and stop the program there.

        Raises:
            StandInMisuse: Always.
        """
        self.note(text)
        raise StandInMisuse(text)

    def check(self) -> None:
        """Hold that there was no misuse.

        Raises:
            AssertionError: There was.
        """
        assert not self.misuses, "; ".join(self.misuses)

    def check_nothing_left(self) -> None:
        """Hold that there was no misuse and that all was freed, but for the primary context, which a process may keep.

        Raises:
            AssertionError: It was not.
        """
        self.check()
        left = {kind: count for kind, count in self.live().items() if kind != "primary context"}
        assert not left, f"not freed: {left}"
