"""Enumerations that behave as pybind11's and Boost.Python's do: members with numbers, equal only to themselves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

__all__ = ["make_enum"]

_ITEM_SIZES = {
    "FLOAT": 4, "HALF": 2, "BF16": 2, "INT8": 1, "INT32": 4, "INT64": 8, "BOOL": 1, "UINT8": 1, "FP8": 1, "INT4": 0.5,
    "FP4": 0.5,
}  # fmt: skip


class _Numbered(Enum):
    def __int__(self) -> int:
        return int(self.value)

    def __index__(self) -> int:
        return int(self.value)


class _DataType(_Numbered):
    @property
    def itemsize(self) -> float | None:
        """Bytes of one number; the package adds this to its bindings."""
        return _ITEM_SIZES.get(self.name)


def make_enum(name: str, members: Mapping[str, int]) -> Any:
    """Make an enumeration whose unknown members raise AttributeError.

    Args:
        name: Of the enumeration.
        members: Numbers by name.
    """
    base: Any = _DataType if name == "DataType" else _Numbered
    return base(name, dict(members))
