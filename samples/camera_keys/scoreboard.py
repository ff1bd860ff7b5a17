"""What is to be seen beside the picture: plain values, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["MOST_ROWS", "Row", "Scoreboard", "rows_of"]

MOST_ROWS = 5


@dataclass(frozen=True)
class Row:
    """One class.

    Attributes:
        key: Its number key; None when it has none.
        name: Of the class.
        share: Its probability, in 0..1; None when there is no answer.
        n_shots: Pictures of it.
    """

    key: int | None
    name: str
    share: float | None
    n_shots: int


@dataclass(frozen=True)
class Scoreboard:
    """Everything beside the picture.

    Attributes:
        headline: The label, "unknown", or what to do next.
        headline_key: Key of the class that is named; None for everything else.
        probability: Of the label, in 0..1; None when there is no answer.
        rows: Classes, at most `MOST_ROWS`.
        facts: Lines of small print, the most important first.
        message: A line over the picture; empty for none.
        is_flashing: Whether a picture was just taken.
        is_help: Whether to show what the keys do.
        is_mirrored: Whether to show the picture as a mirror does.
    """

    headline: str
    headline_key: int | None = None
    probability: float | None = None
    rows: tuple[Row, ...] = ()
    facts: tuple[str, ...] = ()
    message: str = ""
    is_flashing: bool = False
    is_help: bool = False
    is_mirrored: bool = False


def rows_of(
    names: Mapping[int, str], n_shots: Mapping[str, int], scores: Mapping[str, float] | None
) -> tuple[Row, ...]:
    """Choose the classes to show: the most probable, in the order of their keys, then free keys.

    Args:
        names: Class of each number key.
        n_shots: Pictures of each class so far.
        scores: Probability of each class; None when there is no answer.
    """
    key_of = {name: key for key, name in names.items()}
    scores = scores or {}
    taught = sorted(n_shots, key=lambda name: -scores.get(name, 0.0))[:MOST_ROWS]
    free = [name for key, name in names.items() if name not in n_shots and key != 0]
    shown = taught + free[: max(0, min(MOST_ROWS, len(taught) + 2) - len(taught))]
    rows = [Row(key_of.get(name), name, scores.get(name), n_shots.get(name, 0)) for name in shown]
    return tuple(sorted(rows, key=_place))


def _place(row: Row) -> tuple[int, str]:
    order: Sequence[int | None] = (1, 2, 3, 4, 5, 6, 7, 8, 9, 0, None)
    return order.index(row.key), row.name
