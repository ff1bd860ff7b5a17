"""Events as lines: in a file, and on standard output."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from delivery.database import SpooledEvent
from delivery.rotating_file import RotatingFile
from delivery.sink import DeliveryError
from line_events.event import decode_event
from line_events.text import event_line

__all__ = ["FileSink", "StandardOutputSink"]

_WINDOW = 50
_N_KEPT = 4


class FileSink:
    """JSON lines in a file that is renamed at its bound; four older ones are kept."""

    name = "file"
    window = _WINDOW

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        """Nothing is opened before the first event."""
        self._path, self._file = path, RotatingFile(path, max_bytes=max_bytes, n_kept=_N_KEPT)

    def deliver(self, events: Sequence[SpooledEvent]) -> int:
        try:
            self._file.append([event.body for event in events])
        except OSError as error:
            raise DeliveryError(f"{self._path} cannot be written ({error.strerror or error})") from error
        return len(events)

    def close(self) -> None:
        """Nothing is open between calls."""


class StandardOutputSink:
    """JSON lines, or lines for people, on standard output."""

    name = "stdout"
    window = _WINDOW

    def __init__(self, *, as_json: bool, on_reader_gone: Callable[[], None]) -> None:
        """Nothing is written yet.

        Args:
            as_json: JSON lines; lines for people otherwise.
            on_reader_gone: Called when nobody reads the other end of a pipe any more.
        """
        self._as_json, self._on_reader_gone = as_json, on_reader_gone

    def deliver(self, events: Sequence[SpooledEvent]) -> int:
        text = b"".join(self._line(event.body) for event in events)
        try:
            while text:
                text = text[os.write(1, text) :]
        except BrokenPipeError as error:
            self._on_reader_gone()
            raise DeliveryError("nobody reads standard output any more") from error
        except OSError as error:
            raise DeliveryError(f"standard output cannot be written ({error.strerror})") from error
        return len(events)

    def _line(self, body: bytes) -> bytes:
        return (body if self._as_json else event_line(decode_event(body)).encode()) + b"\n"

    def close(self) -> None:
        """Standard output stays open for others."""
