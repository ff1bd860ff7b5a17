"""The committed tables of names: what each version of TensorRT and pycuda has (tests/data/tensorrt_api)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["TENSORRT_VERSIONS", "members_of", "pycuda_table", "tensorrt_table"]

_FOLDER = Path(__file__).parents[3] / "data/tensorrt_api"

TENSORRT_VERSIONS = ("10.3", "10.13", "10.16", "11.4")
"""Of JetPack 6.1 and 6.2, JetPack 7.0 and 7.1, JetPack 7.2, and the newest."""


@cache
def _table(name: str) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    return table


def tensorrt_table(version: str, library: str = "tensorrt") -> dict[str, Any]:
    """Table of a TensorRT.

    Args:
        version: Major and minor, such as `10.3`.
        library: `tensorrt` or `tensorrt_rtx`.
    """
    return _table(f"{library}-{version}")


def pycuda_table() -> dict[str, Any]:
    """Table of the oldest pycuda that the project allows; newer ones have the same names."""
    return _table("pycuda-2024.1")


def members_of(table: dict[str, Any], name: str) -> set[str]:
    """All public names of a class with its bases', or of an enumeration; empty when there is no such thing.

    Args:
        table: From `tensorrt_table`.
        name: Of a class or enumeration at the top of the module.
    """
    if name in table["enums"]:
        return set(table["enums"][name])
    described = table["classes"].get(name)
    if described is None:
        return set()
    own = {key for part in ("enums", "methods", "properties", "values") for key in described.get(part, ())}
    return own.union(*(members_of(table, base) for base in described.get("bases", ())))
