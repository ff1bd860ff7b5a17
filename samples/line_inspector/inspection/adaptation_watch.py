"""The adaptation in force: loaded anew when its file changes, without a gap."""

from __future__ import annotations

import os
from pathlib import Path

from hyperflow_runtime import Session

__all__ = ["AdaptationWatch", "Fingerprint", "fingerprint"]

Fingerprint = tuple[int, int, int] | None
_POLL_S = 1.0


class AdaptationWatch:
    """Compares the file with how it was. A file is read once it stayed the same between two looks at it."""

    def __init__(self, session: Session, path: Path, *, loaded: Fingerprint) -> None:
        """Watch the file that was loaded.

        Args:
            session: Gets what the file holds. It goes on answering while that is read and put in force.
            path: Of the adaptation.
            loaded: The file's fingerprint, taken before it was loaded.
        """
        self.session, self.path = session, path
        self._loaded = self._last_seen = loaded
        self._next_look_s = 0.0

    def is_due(self, now_s: float) -> bool:
        """Whether the file has changed, and is no longer being written.

        Args:
            now_s: `time.monotonic()`; the file is looked at once a second.
        """
        if now_s < self._next_look_s:
            return False
        self._next_look_s = now_s + _POLL_S
        found = fingerprint(self.path)
        is_steady, self._last_seen = found == self._last_seen, found
        return is_steady and found != self._loaded

    def reload(self) -> list[str]:
        """Put the file in force.

        Returns:
            Its classes.

        Raises:
            AdaptationFileError: It cannot be used; what was in force before still is, and this file is not tried again.
        """
        self._loaded = fingerprint(self.path)
        self.session.load(self.path)
        return list(self.session.labels)


def fingerprint(path: Path) -> Fingerprint:
    """What changes when a file is replaced or written; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
