"""What can be taken back: the cards as they were, and how many of the session's edits go with them."""

from __future__ import annotations

from dataclasses import dataclass

from server.cards import Cards

__all__ = ["History", "Step"]

_SESSION_DEPTH = 100
"""Edits that a session remembers; steps that need older ones are forgotten."""


@dataclass(frozen=True)
class Step:
    """One change.

    Attributes:
        cards: Before it.
        adaptation_name: Before it.
        n_edits: Edits of the session that it took: 0 for a class without shots, several for starting over.
    """

    cards: Cards
    adaptation_name: str | None
    n_edits: int


class History:
    """Steps, newest last, as many as the session can take back."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    def __len__(self) -> int:
        return len(self._steps)

    def push(self, step: Step) -> None:
        """Remember a change; what lies too far back is forgotten."""
        self._steps.append(step)
        del self._steps[:-_SESSION_DEPTH]
        while sum(known.n_edits for known in self._steps) > _SESSION_DEPTH:
            del self._steps[0]

    def pop(self) -> Step:
        """Return the newest change, and forget it."""
        return self._steps.pop()
