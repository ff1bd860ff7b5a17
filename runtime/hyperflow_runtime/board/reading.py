"""Reading small files that describe a system: absent, forbidden or garbled ones are as good as empty."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["read_number", "read_text"]


def read_text(path: Path, *, max_bytes: int = 2**20) -> str | None:
    """Text of a regular file without the NULs and blanks around it, or None.

    Args:
        path: Anything else than a regular file, such as a pipe that nobody writes to, is not read.
        max_bytes: What comes after is left out.
    """
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            data = file.read(max_bytes)
    except (OSError, ValueError):  # ValueError: a path with a NUL
        return None
    return data.decode("utf-8", "replace").strip("\0 \t\r\n") or None


def read_number(path: Path) -> int | None:
    """The whole number that a file holds, or None."""
    text = read_text(path, max_bytes=64)
    return int(text) if text is not None and re.fullmatch(r"-?[0-9]{1,18}", text) else None
