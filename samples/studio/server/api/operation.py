"""One operation of the API: the route and its documentation are both made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.studio_parts import StudioParts

__all__ = ["Answered", "Call", "FileAnswer", "Operation", "Upload"]


@dataclass(frozen=True)
class Call:
    """What came with a request.

    Attributes:
        path: Parts of the path, by name.
        query: Parameters after the question mark.
        body: Decoded JSON of the operation's type, bytes of an upload, or None.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None


@dataclass(frozen=True)
class Answered:
    """An answer that is not JSON."""

    data: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FileAnswer:
    """An answer that is a file, under a name for the browser to save it as."""

    path: Path
    name: str


@dataclass(frozen=True)
class Upload:
    """A body of bytes.

    Attributes:
        media_types: As documented; what really came is told by the content.
        limit: Most bytes.
    """

    media_types: tuple[str, ...]
    limit: Callable[[StudioParts], int]


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        method: Of HTTP.
        path: With parts in braces.
        run: Does it, in a thread; it may block.
        summary: One line for people.
        problems: Statuses of refusals, each with its reason.
        status: When all went well.
        body: Type of a JSON body, an upload, or None.
        answer: Type of the JSON, or the media type of anything else; None for no content.
        query: Parameters after the question mark, each with its meaning.
    """

    method: str
    path: str
    run: Callable[[StudioParts, Call], object]
    summary: str
    problems: Mapping[int, str] = field(default_factory=dict)
    status: int = 200
    body: type | Upload | None = None
    answer: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
