"""Which Python values pybind11 takes for the types that the bindings' signatures name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

__all__ = ["accepted"]

_NUMBERS = {"int", "SupportsInt"}
_SEQUENCES = re.compile(r"(?:List|list|Sequence)\[(.+)\]")


def _is_number(value: object) -> bool:
    return hasattr(value, "__index__") or (hasattr(value, "__int__") and not isinstance(value, (float, str)))


def _is_buffer(value: Any) -> bool:
    if hasattr(value, "__bytes__"):  # of a plan; Python before 3.12 lets no class written in it be a buffer
        return True
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


def _is_sequence_of_numbers(value: Any) -> bool:
    return not isinstance(value, (str, bytes)) and hasattr(value, "__getitem__") and all(map(_is_number, value))


_RULES: dict[str, Callable[[Any], bool]] = {
    "Buffer": _is_buffer,
    "bool": lambda value: hasattr(value, "__bool__"),
    "buffer": _is_buffer,
    "list": lambda value: isinstance(value, list) and all(map(_is_number, value)),
    "str": lambda value: isinstance(value, (str, bytes)),
    "tuple": lambda value: isinstance(value, tuple) and all(map(_is_number, value)),
    **dict.fromkeys(_NUMBERS, _is_number),
}


def accepted(module: Any, kind: str, value: object) -> bool:
    """Whether a value may be given.

    Args:
        module: The fake TensorRT, for the classes that its signatures name.
        kind: Type as the signature names it; types that are not known here take anything.
        value: As given.
    """
    if kind in _RULES:
        return _RULES[kind](value)
    if inner := _SEQUENCES.fullmatch(kind):
        return isinstance(value, Sequence) and all(accepted(module, inner[1], item) for item in value)
    named = _class(module, kind)
    if named is None:
        return True
    if kind == "Dims" and _is_sequence_of_numbers(value):
        return True  # converted implicitly
    may_be_none = not issubclass(named, Enum)
    return isinstance(value, named) or (value is None and may_be_none)


def _class(module: Any, kind: str) -> type | None:
    found: Any = module
    for part in kind.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None
