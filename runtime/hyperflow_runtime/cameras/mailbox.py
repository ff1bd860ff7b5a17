"""What the thread that captures and the threads that read share: the newest frame, and how the camera is doing."""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime.cameras.captured import CameraState, CameraStatus, CapturedFrame
from hyperflow_runtime.cameras.source import EndOfSource
from hyperflow_runtime.errors import CameraError

__all__ = ["Mailbox"]

_RATE_WINDOW_S = 2.0
_FINAL = ("ended", "failed", "closed")


class Mailbox:
    """Holds one frame, the newest. All methods may be called from any thread."""

    def __init__(self, description: str) -> None:
        """Start empty.

        Args:
            description: Of the source, for errors.
        """
        self._changed = threading.Condition()
        self._description = description
        self._state: CameraState = "connecting"
        self._newest: CapturedFrame | None = None
        self._is_taken = True
        self._arrivals: deque[float] = deque()
        self._n_captured = self._n_dropped = self._n_reconnects = 0
        self._last_error: str | None = None

    def put(self, image_bgr: NDArray[np.uint8], label: str | None) -> None:
        """Show a new frame to all readers; nothing happens after the camera was closed."""
        now = time.monotonic()
        with self._changed:
            if self._state in _FINAL:
                return
            self._n_reconnects += self._state == "reconnecting"
            self._n_dropped += not self._is_taken
            self._newest = CapturedFrame(image_bgr, self._n_captured, now, label)
            self._n_captured += 1
            self._is_taken = False
            self._state, self._last_error = "live", None
            self._arrivals.append(now)
            while len(self._arrivals) > 2 and self._arrivals[0] < now - _RATE_WINDOW_S:
                self._arrivals.popleft()
            self._changed.notify_all()

    def wait_until_taken(self) -> None:
        """Wait until a reader took the newest frame, or the camera is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_taken or self._state in _FINAL)

    def lose(self, error: str) -> None:
        """The source is gone, and will be opened again."""
        self._enter("connecting" if self._newest is None else "reconnecting", error)

    def fail(self, error: str) -> None:
        """The source is gone for good."""
        self._enter("failed", error)

    def end(self) -> None:
        """The source is over."""
        self._enter("ended", None)

    def close(self, error: str | None = None) -> None:
        """No more frames; readers that wait get an error."""
        with self._changed:
            self._state = "closed"
            self._last_error = error or self._last_error
            self._changed.notify_all()

    def _enter(self, state: CameraState, error: str | None) -> None:
        with self._changed:
            if self._state not in _FINAL:
                self._state, self._last_error = state, error
                self._arrivals.clear()
                self._changed.notify_all()

    def take(self, after: int, timeout_s: float | None) -> CapturedFrame:
        """Return the newest frame whose index is above `after`, waiting for it, without end for None.

        Raises:
            CameraError: None came in time, or none will.
            EndOfSource: The source is over.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while True:
                if self._state == "closed":
                    raise CameraError(f"{self._description}: the camera was closed; open it again")
                if self._newest is not None and self._newest.index > after:
                    return self._taken(self._newest)
                self._raise_when_over()
                left_s = None if deadline_s is None else deadline_s - time.monotonic()
                if left_s is not None and left_s <= 0:
                    why = f": {self._last_error}" if self._last_error else ""
                    raise CameraError(f"{self._description} gave no new frame within {timeout_s:g} s{why}")
                self._changed.wait(left_s)

    def wait_for_first(self) -> None:
        """Wait for the first frame.

        Raises:
            CameraError: The source could not be opened, or gave none.
            EndOfSource: It is over before it began.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self._last_error or self._state in _FINAL)
            if self._newest is None:
                self._raise_when_over()
                raise CameraError(self._last_error or f"{self._description}: the camera was closed while it opened")

    def _raise_when_over(self) -> None:
        if self._state == "ended":
            raise EndOfSource(f"{self._description} is over")
        if self._state == "failed":
            raise CameraError(self._last_error or f"{self._description} failed")

    def _taken(self, frame: CapturedFrame) -> CapturedFrame:
        if not self._is_taken:
            self._is_taken = True
            self._changed.notify_all()
        return frame

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        with self._changed:
            return self._state == "closed"

    @property
    def newest(self) -> CapturedFrame | None:
        """The newest frame, which counts as taken; None before the first."""
        with self._changed:
            return self._newest and self._taken(self._newest)

    @property
    def status(self) -> CameraStatus:
        """How the camera is doing, now."""
        with self._changed:
            height, width = (0, 0) if self._newest is None else self._newest.image_bgr.shape[:2]
            return CameraStatus(
                self._state, self._description, width, height, self._fps(),
                self._n_captured, self._n_dropped, self._n_reconnects, self._last_error,
            )  # fmt: skip

    def _fps(self) -> float:
        if len(self._arrivals) < 2 or self._state != "live":
            return 0.0
        first, last = self._arrivals[0], self._arrivals[-1]
        return (len(self._arrivals) - 1) / max(last - first, time.monotonic() - last, 1e-6)
