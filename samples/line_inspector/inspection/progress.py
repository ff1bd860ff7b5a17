"""Whether frames are still being classified."""

from __future__ import annotations

import time

__all__ = ["Progress"]

_PATIENCE_S = 30.0


class Progress:
    """Counts answers, and notices when there is something to do and nothing gets done."""

    def __init__(self) -> None:
        """Begin now."""
        self.n_answered, self.n_failed = 0, 0
        self._began_s = self._moved_s = self._reported_s = time.monotonic()
        self._n_reported = 0

    @property
    def uptime_s(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began_s

    def answered(self, *, is_failure: bool) -> None:
        """A frame was classified, or could not be."""
        self.n_answered += not is_failure
        self.n_failed += is_failure
        if not is_failure:
            self._moved_s = time.monotonic()

    def idle(self) -> None:
        """There is nothing to classify."""
        self._moved_s = time.monotonic()

    @property
    def is_stuck(self) -> bool:
        """Whether nothing was classified for half a minute, though there was something to classify."""
        return time.monotonic() - self._moved_s > _PATIENCE_S

    def answers_per_s(self) -> float:
        """Since the last call of this."""
        now_s = time.monotonic()
        rate = (self.n_answered - self._n_reported) / max(now_s - self._reported_s, 1e-3)
        self._n_reported, self._reported_s = self.n_answered, now_s
        return rate
