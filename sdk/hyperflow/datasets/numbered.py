"""Names of the images of one class file, made when asked for: some class files hold hundreds of thousands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

__all__ = ["NumberedImages", "parse_numbered"]


class NumberedImages(Sequence[str]):
    """`FILE/0`, `FILE/1` and so on, as a sequence that takes no memory."""

    def __init__(self, file: str, n_images: int) -> None:
        """Name `n_images` images of the class file `file`, given without suffix."""
        self._file, self._numbers = file, range(n_images)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [f"{self._file}/{number}" for number in self._numbers[index]]
        return f"{self._file}/{self._numbers[index]}"


def parse_numbered(member: str) -> tuple[str, int]:
    """Return the class file and the number in it of a name that `NumberedImages` made."""
    file, number = member.rsplit("/", 1)
    return file, int(number)
