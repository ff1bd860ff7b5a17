"""Which class each number key stands for."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["BACKGROUND", "assigned_names", "split_names"]

BACKGROUND = "background"
_N_KEYS = 9


def split_names(text: str) -> tuple[str, ...]:
    """Read "mug, pen".

    Raises:
        ValueError: A name is empty or comes twice, or there are more than nine.
    """
    names = tuple(name.strip() for name in text.split(",")) if text.strip() else ()
    if not all(names) or len(set(names)) < len(names) or len(names) > _N_KEYS:
        raise ValueError(f"--names must be up to {_N_KEYS} different names with commas between them, got {text!r:.120}")
    return names


def assigned_names(wanted: Sequence[str], known: Sequence[str]) -> dict[int, str]:
    """Give each number key a class.

    Args:
        wanted: Names for the keys 1, 2, ...
        known: Classes of the adaptation that the run starts with; they keep their names and come first.

    Returns:
        Class of each key: 1..9, then 0 for the background.
    """
    named = dict.fromkeys(name for name in (*known, *wanted) if name != BACKGROUND)
    names = dict(enumerate(list(named)[:_N_KEYS], 1))
    for key in range(len(names) + 1, _N_KEYS + 1):
        names[key] = next(name for name in map("thing {}".format, range(key, 3 * _N_KEYS)) if name not in named)
        named[names[key]] = None
    return {**names, 0: BACKGROUND}
