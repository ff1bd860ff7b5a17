"""Describe the public names of an imported TensorRT: classes, enumerations, functions, and how they are called."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import Any

__all__ = ["describe"]

_NUMBERED = re.compile(r"^\d+\. ", re.MULTILINE)
_HIDDEN = {"attr", "common_enter", "common_exit", "value"}  # left over at the end of the package's own __init__


def describe(module: ModuleType) -> dict[str, Any]:
    """Describe a module.

    Args:
        module: `tensorrt_bindings`, or the like for TensorRT for RTX.

    Returns:
        `version`, `enums` (members and their numbers), `classes` (see `_class`), `functions` (signatures) and `values`
        (names of single members, such as `float32`).
    """
    found: dict[str, Any] = {"classes": {}, "enums": {}, "functions": {}, "values": {}}
    for name in _public(vars(module)):
        thing = getattr(module, name)
        if isinstance(thing, ModuleType) or name in _HIDDEN:
            continue
        if _is_enum(thing):
            found["enums"][name] = _members(thing)
        elif isinstance(thing, type):
            found["classes"][name] = _class(thing, module.__name__)
        elif callable(thing):
            found["functions"][name] = _signatures(thing, name, module.__name__)
        else:
            found["values"][name] = f"{type(thing).__name__}.{thing.name}"
    return {"version": module.__version__, **found}


def _public(names: Any) -> list[str]:
    return sorted(name for name in names if not name.startswith("_"))


def _is_enum(thing: object) -> bool:
    return isinstance(thing, type) and hasattr(thing, "__members__")


def _members(enum: Any) -> dict[str, int]:
    return {name: int(member) for name, member in enum.__members__.items()}


def _class(cls: type, package: str) -> dict[str, Any]:
    """Own names of a class: bases, constructors, methods, properties ("r" or "rw"), nested enums, and their members."""
    described: dict[str, Any] = {
        "bases": [base.__name__ for base in cls.__bases__ if not base.__name__.startswith("pybind11")],
        "enums": {}, "methods": {}, "properties": {}, "values": {},
    }  # fmt: skip
    for name in _public(vars(cls)):
        thing = inspect.getattr_static(cls, name)
        if _is_enum(thing):
            described["enums"][name] = _members(thing)
        elif isinstance(thing, property):
            described["properties"][name] = "r" if thing.fset is None else "rw"
        elif callable(getattr(cls, name)):
            described["methods"][name] = _signatures(getattr(cls, name), name, package)
        elif hasattr(thing, "name"):
            described["values"][name] = f"{type(thing).__name__}.{thing.name}"
    described["constructors"] = _signatures(vars(cls).get("__init__"), "__init__", package)
    return {key: value for key, value in described.items() if value}


def _signatures(function: Any, name: str, package: str) -> list[str]:
    """Every overload as `(name: type = default) -> type`, without self; empty where the documentation has none."""
    text = inspect.getdoc(function) or ""
    overloads = [part.splitlines()[0] for part in _NUMBERED.split(text)[1:]] if "Overloaded" in text else [text]
    written = [re.match(rf"{name}(\(.*\) -> .*)", line.splitlines()[0]) for line in overloads if line]
    found = [_shortened(match[1], package) for match in written if match]
    return found or ([str(inspect.signature(function))] if inspect.isfunction(function) else [])


def _shortened(signature: str, package: str) -> str:
    signature = re.sub(r"\(self: [\w.]+(, )?", "(", signature)
    return re.sub(rf"\b({package}\.\w+|typing|typing_extensions|numpy|collections\.abc)\.", "", signature)
