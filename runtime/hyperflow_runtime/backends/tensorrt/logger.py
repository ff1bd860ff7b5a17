"""What TensorRT says. Its calls return None or False when they fail; only the log tells why."""

from __future__ import annotations

import logging
from collections import deque
from functools import cache
from itertools import count
from typing import Any

from hyperflow_runtime.backends.tensorrt.library import TensorRTLibrary

__all__ = ["MessageLog", "make_logger"]

_LOG = logging.getLogger("hyperflow_runtime.tensorrt")
_LOG.addHandler(logging.NullHandler())  # who wants to read TensorRT's chatter says so
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
        self._errors: deque[tuple[int, str]] = deque(maxlen=_KEPT)
        self._numbers = count(1)
        self.logger: Any = _logger_class(library)(self._take)

    def _take(self, severity: str, text: str) -> None:
        level = _LEVELS.get(severity, logging.INFO)
        _LOG.log(level, text)
        if level >= logging.ERROR:
            self._errors.append((next(self._numbers), text))

    @property
    def errors(self) -> tuple[str, ...]:
        """Errors since `clear`, the oldest first."""
        return tuple(text for _, text in self._errors)

    def clear(self) -> None:
        """Forget what was said so far; call it before what may fail."""
        self._errors.clear()

    @property
    def last_number(self) -> int:
        """Number of the last error that is kept; 0 for none."""
        return self._errors[-1][0] if self._errors else 0

    def explain(self, *, after: int = 0) -> str:
        """The errors in one line, and what to do about them where that is known.

        Args:
            after: Leave out errors up to this number: a call that runs beside others must not `clear` theirs.
        """
        errors = [text for number, text in tuple(self._errors) if number > after]
        if not errors:
            return "TensorRT gave no reason; hyperflow-runtime doctor tells what this device has"
        said = " | ".join(dict.fromkeys(errors))
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
