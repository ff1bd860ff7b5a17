"""Actor of TensorRT's own logger."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from stand_in.bindings import Actor

if TYPE_CHECKING:
    from stand_in.library import Library

__all__ = ["Logger"]


class Logger(Actor):
    """`Logger`, which writes to stderr."""

    binds = "Logger"

    def __init__(self, library: Library, min_severity: Any = None) -> None:
        self.min_severity = library.bindings.module.ILogger.WARNING if min_severity is None else min_severity

    def log(self, severity: Any, msg: str) -> None:
        if int(severity) <= int(self.min_severity):
            print(f"[TRT] [{severity.name[0]}] {msg}", file=sys.stderr)
