"""Calls held to the signatures that the bindings document, as pybind11 holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["Accepts", "bind_call"]

Accepts = Callable[[str, object], bool]
"""Whether a value may be given where the bindings ask for a type, by its name."""


@dataclass(frozen=True)
class _Parameter:
    name: str
    type: str
    is_optional: bool


def bind_call(
    title: str, signatures: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any], accepts: Accepts
) -> dict[str, Any]:
    """Find the overload that takes these arguments.

    Args:
        title: Of the method, for messages.
        signatures: Overloads, such as `(name: str, shape: tuple) -> bool`; none for "anything goes".
        args: As given.
        kwargs: As given.
        accepts: Judges the types.

    Returns:
        Each argument by the parameter's name; what was left out is left out.

    Raises:
        TypeError: None takes them.
    """
    for signature in signatures:
        bound = _bound(_parameters(signature), args, kwargs, accepts)
        if bound is not None:
            return bound
    given = ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])
    supported = "; ".join(signatures)
    raise TypeError(f"{title}(): incompatible function arguments. Supported: {supported}. Invoked with: {given:.200}")


def _bound(
    parameters: tuple[_Parameter, ...], args: Sequence[Any], kwargs: Mapping[str, Any], accepts: Accepts
) -> dict[str, Any] | None:
    if len(args) > len(parameters):
        return None
    given = {parameter.name: value for parameter, value in zip(parameters, args, strict=False)}
    if given.keys() & kwargs.keys() or kwargs.keys() - {parameter.name for parameter in parameters}:
        return None
    given.update(kwargs)
    for parameter in parameters:
        if parameter.name not in given:
            if not parameter.is_optional:
                return None
        elif not accepts(parameter.type, given[parameter.name]) and not _is_default_none(parameter, given):
            return None
    return given


def _is_default_none(parameter: _Parameter, given: Mapping[str, Any]) -> bool:
    return parameter.is_optional and given[parameter.name] is None


@cache
def _parameters(signature: str) -> tuple[_Parameter, ...]:
    inner = signature[1 : _closing(signature)]
    return tuple(_parameter(part) for part in _split(inner) if part.strip())


def _closing(signature: str) -> int:
    depth = 0
    for index, character in enumerate(signature):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return index
    raise ValueError(f"no closing bracket in {signature!r}")


def _split(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for index, character in enumerate(text):
        depth += (character in "([<") - (character in ")]>")
        if character == "," and depth == 0:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def _parameter(text: str) -> _Parameter:
    declared, equals, _ = text.partition(" = ")
    name, _, kind = declared.partition(":")
    return _Parameter(name.strip(), kind.strip(), bool(equals))
