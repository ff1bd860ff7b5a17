"""Lines in a file of bounded size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["RotatingFile"]


class RotatingFile:
    """Appends lines; at its bound, FILE becomes FILE.1, FILE.1 becomes FILE.2, and so on."""

    def __init__(self, path: Path, *, max_bytes: int, n_kept: int) -> None:
        """Nothing is opened before the first line.

        Args:
            path: Made, with its folder, where it is absent.
            max_bytes: Of one file; a single call's lines may be longer.
            n_kept: Older files to keep beside it, at least 1.
        """
        self._path, self._max_bytes, self._n_kept = path, max_bytes, n_kept

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines and wait until the disk has them. All of them are there then, or none.

        Args:
            lines: Without their ends.

        Raises:
            OSError: The file cannot be written.
        """
        text = b"".join(line + b"\n" for line in lines)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        size = _cut_torn_line(self._path)
        if size and size + len(text) > self._max_bytes:
            self._rotate()
            size = 0
        with self._path.open("ab", buffering=0) as file:
            try:
                if file.write(text) != len(text):
                    raise OSError(f"{self._path} took a part of the lines; is the disk full?")
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise

    def _rotate(self) -> None:
        for number in range(self._n_kept - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if older.exists():
                older.replace(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))


def _cut_torn_line(path: Path) -> int:
    """Remove a last line without an end, which a kill left; return the size of the file."""
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        if size and file.read(1) != b"\n":
            file.seek(0)
            size = file.read().rfind(b"\n") + 1
            file.truncate(size)
        return size
