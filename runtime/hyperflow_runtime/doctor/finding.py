"""What the doctor says."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Finding", "Status", "Subject"]

Status = Literal["ok", "note", "problem"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        name: Of the thing.
        value: What it is.
        status: `ok`; `note` where something is absent or could be better; `problem` where something is broken, or
            absent though it belongs here.
        advice: What to do about it; there is always some when it is not `ok`.
    """

    name: str
    value: str
    status: Status = "ok"
    advice: str | None = None

    def __post_init__(self) -> None:
        if (self.status == "ok") != (self.advice is None):
            raise ValueError(f"{self.name} is {self.status!r}, with the advice {self.advice!r}")


class Subject(msgspec.Struct, frozen=True):
    """Findings that belong together."""

    title: str
    findings: tuple[Finding, ...]
