"""Events that a receiver refuses for good: kept in a file, so that somebody can look at them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from delivery.log import LOG
from delivery.rotating_file import RotatingFile

__all__ = ["DeadLetters"]

FILE_NAME = "dead-letters.jsonl"
_MAX_BYTES = 2 * 2**20


class DeadLetters:
    """One line each: `{"sink": ..., "reason": ..., "event": {...}}`."""

    def __init__(self, folder: Path | None) -> None:
        """Nothing is written before the first one.

        Args:
            folder: Of the spool; None keeps none.
        """
        self._file = None if folder is None else RotatingFile(folder / FILE_NAME, max_bytes=_MAX_BYTES, n_kept=1)

    def keep(self, sink: str, reason: str, body: bytes) -> None:
        """Keep an event, or say that this is not possible."""
        if self._file is None:
            return
        line = msgspec.json.encode({"sink": sink, "reason": reason, "event": msgspec.Raw(body)})
        try:
            self._file.append([line])
        except OSError as error:
            LOG.error("a rejected event could not be kept (%s); free some space", error)
