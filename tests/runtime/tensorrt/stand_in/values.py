"""Actors of plain values: shapes and bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stand_in.bindings import Actor

__all__ = ["Dims", "HostMemory"]


class Dims(Actor):
    """`Dims`: a shape, which is no tuple, but may be turned into one."""

    binds = "Dims"

    def __init__(self, shape: Iterable[int] = ()) -> None:
        self._shape = tuple(int(size) for size in shape)

    def __len__(self) -> int:
        return len(self._shape)

    def __getitem__(self, index: Any) -> Any:
        return self._shape[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Iterable) and tuple(other) == self._shape

    def __hash__(self) -> int:
        return hash(self._shape)

    def __repr__(self) -> str:
        return f"({', '.join(map(str, self._shape))})"


class HostMemory(Actor):
    """`IHostMemory`: bytes that the library owns."""

    binds = "IHostMemory"

    def __init__(self, data: bytes) -> None:
        self._data, self.nbytes = data, len(data)

    def __bytes__(self) -> bytes:
        return self._data

    def __buffer__(self, flags: int) -> memoryview:
        return memoryview(self._data)
