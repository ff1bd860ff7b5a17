"""GStreamer pipelines as text, from checked parts only: to GStreamer, text is a program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from hyperflow_runtime.errors import CameraError

__all__ = ["NEWEST_ONLY", "Caps", "Element", "Word", "pipeline_text"]

_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_PROPERTY = re.compile(r"[a-z][a-z0-9-]*", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*", re.ASCII)
_MEDIA = re.compile(r"[a-z]+/[a-z-]+(\(memory:[A-Za-z]+\))?", re.ASCII)
_NOT_IN_QUOTES = re.compile(r'["\\]')


class Word(str):
    """A value that is one plain word, such as a name of an enumeration: it stands without quotes."""


_Value = bool | int | Fraction | Word | str


@dataclass(frozen=True)
class Element:
    """An element and its properties; `str` of it is its text."""

    name: str
    properties: Mapping[str, _Value] = field(default_factory=dict)

    def __str__(self) -> str:
        values = [f"{_checked(name, _PROPERTY)}={_value_text(value)}" for name, value in self.properties.items()]
        return " ".join([_checked(self.name, _NAME), *values])


@dataclass(frozen=True)
class Caps:
    """What may flow between two elements: "video/x-raw" and fields such as its width."""

    media: str
    fields: Mapping[str, _Value] = field(default_factory=dict)

    def __str__(self) -> str:
        values = [f"{_checked(name, _PROPERTY)}={_value_text(value)}" for name, value in self.fields.items()]
        return ",".join([_checked(self.media, _MEDIA), *values])


NEWEST_ONLY = Element("appsink", {"drop": True, "max-buffers": 1, "sync": False})
"""Hands out the newest frame, drops those before it, and does not wait for a frame's time of display."""


def pipeline_text(*parts: Element | Caps) -> str:
    """Return a pipeline's text, for `cv2.CAP_GSTREAMER`.

    Raises:
        CameraError: A part holds what could be read as more than one value.
    """
    return " ! ".join(map(str, parts))


def _value_text(value: _Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Word):
        return _checked(value, _WORD)
    # Inside quotes everything is inert but these two, whose escapes GStreamer's own two parsers read differently.
    if not isinstance(value, str) or not value.isprintable() or _NOT_IN_QUOTES.search(value):
        raise CameraError('a value for GStreamer must be without ", \\ and control characters; write %22 and %5C')
    return f'"{value}"'


def _checked(text: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(text):
        raise CameraError(f"{text!r:.60} cannot be part of a GStreamer pipeline")
    return str(text)
