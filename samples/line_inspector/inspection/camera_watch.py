"""When the camera went, and when it came back."""

from __future__ import annotations

from dataclasses import dataclass

from hyperflow_runtime.cameras.captured import CameraStatus

__all__ = ["Back", "CameraWatch", "Lost"]

_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Lost:
    """No pictures come any more; `reason` says why."""

    reason: str


@dataclass(frozen=True)
class Back:
    """Pictures come again, after `away_s` seconds."""

    away_s: float


class CameraWatch:
    """Compares what a camera says of itself with what it said before."""

    def __init__(self, now_s: float) -> None:
        """Begin; a camera that gives nothing for ten seconds from now counts as lost.

        Args:
            now_s: `time.monotonic()`.
        """
        self._began_s, self._lost_s, self._was_live, self._n_reconnects = now_s, now_s, False, 0
        self.n_losses = 0
        self.is_lost = False  # between a `Lost` and its `Back`

    def update(self, status: CameraStatus, now_s: float) -> list[Lost | Back]:
        """What happened since the last call, in order. A camera that went and came between two calls did both."""
        if status.state in ("ended", "closed"):
            return []
        if status.state == "live":
            changes = self._lost(status, now_s) if not self.is_lost and status.n_reconnects > self._n_reconnects else []
            if self.is_lost:
                changes.append(Back(now_s - self._lost_s))
            self.is_lost, self._was_live, self._n_reconnects = False, True, status.n_reconnects
            return changes
        is_overdue = now_s - self._began_s > _PATIENCE_S or status.state == "failed"
        return self._lost(status, now_s) if not self.is_lost and (self._was_live or is_overdue) else []

    def _lost(self, status: CameraStatus, now_s: float) -> list[Lost | Back]:
        self.is_lost, self.n_losses = True, self.n_losses + 1
        if self._was_live:
            self._lost_s = now_s
        return [Lost(status.last_error or f"{status.description} gave no pictures for a moment")]
