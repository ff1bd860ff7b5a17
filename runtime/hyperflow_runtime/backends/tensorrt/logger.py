"""What TensorRT says. Its calls return None or False when they fail; only the log tells why."""

from __future__ import annotations

import logging
from collections import deque
from functools import cache
from typing import Any

from hyperflow_runtime.backends.tensorrt.library import TensorRTLibrary

__all__ = ["MessageLog", "make_logger"]

_KEPT = 50
_LEVELS = {"INTERNAL_ERROR": 40, "ERROR": 40, "WARNING": 30, "INFO": 20, "VERBOSE": 10}
_REBUILD = "build the engine again on this device: hyperflow-export engine --force"
_NEXT_MOVES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("version tag", "serialization version", "not compatible with this version", "magic tag", "magictag"),
        _REBUILD,
    ),
    (("incompatible device", "expecting compute"), _REBUILD),
    (
        ("could not find any implementation", "insufficient workspace"),
        "give the build more memory to work in, or less where the device is short of it: --workspace-mib",
    ),
    (
        ("out of memory", "outofmemory", "allocation failed"),
        "close other programs, add swap, or build with a smaller --workspace-mib and --optimisation-level 1",
    ),
    (("driver version is insufficient", "no cuda-capable device"), "hyperflow-runtime doctor tells what is missing"),
)


class MessageLog:
    """The last messages of one library, shared by everything that uses it in this process.

    Attributes:
        logger: What builders and runtimes of the library take. It must outlive them all.
    """

    def __init__(self, library: TensorRTLibrary) -> None:
        """Use `make_logger` instead: a library wants to see one logger only."""
        self._errors: deque[str] = deque(maxlen=_KEPT)
        self.logger: Any = _logger_class(library)(self._take)

    def _take(self, severity: str, text: str) -> None:
        level = _LEVELS.get(severity, logging.INFO)
        logging.getLogger("hyperflow_runtime.tensorrt").log(level, text)
        if level >= logging.ERROR:
            self._errors.append(text)

    @property
    def errors(self) -> tuple[str, ...]:
        """Errors since `clear`, the oldest first."""
        return tuple(self._errors)

    def clear(self) -> None:
        """Forget what was said so far; call it before what may fail."""
        self._errors.clear()

    def explain(self) -> str:
        """The errors in one line, and what to do about them where that is known."""
        if not self._errors:
            return "TensorRT gave no reason; hyperflow-runtime doctor tells what this device has"
        said = " | ".join(dict.fromkeys(self._errors))
        lowered = said.lower()
        for signs, next_move in _NEXT_MOVES:
            if any(sign in lowered for sign in signs):
                return f"{said}; {next_move}"
        return said


def _logger_class(library: TensorRTLibrary) -> Any:
    base: Any = library.module.ILogger

    class Logger(base):  # type: ignore[misc]
        """TensorRT calls `log` from its own threads."""

        def __init__(self, take: Any) -> None:
            base.__init__(self)
            self._take = take

        def log(self, severity: Any, message: str) -> None:
            self._take(str(severity).rsplit(".", 1)[-1], message)

    return Logger


@cache
def make_logger(library: TensorRTLibrary) -> MessageLog:
    """Log of a library: always the same one for the same library, for the life of the process.

    Args:
        library: From `load_library`.
    """
    return MessageLog(library)
