"""One opening of a source, by one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from hyperflow_runtime.cameras.mailbox import Mailbox
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.pixels import prepared
from hyperflow_runtime.cameras.source import EndOfSource, Source, SourceFrame
from hyperflow_runtime.errors import CameraError

__all__ = ["Capture"]

_Result = TypeVar("_Result")


class Capture(threading.Thread):
    """Opens a source, brings its frames to the mailbox, and closes it, from first to last in this thread.

    A driver may block for ever. Such a thread is left behind with its source: it brings nothing more to the mailbox,
    and closes the source if the driver ever comes back.

    Attributes:
        error: What went wrong; None while it runs, and when nothing did.
        is_over: Whether the source came to its end.
        has_delivered: Whether a frame has come.
    """

    def __init__(self, source: Source, options: CameraOptions, mailbox: Mailbox) -> None:
        super().__init__(name=f"camera {source.description:.40}", daemon=True)
        self.error: str | None = None
        self.is_over = False
        self.has_delivered = False
        self._source, self._options, self._mailbox = source, options, mailbox
        self._stopping = threading.Event()
        self._gate = threading.Lock()
        self._busy_since: float | None = time.monotonic()
        self._due_s: float | None = None

    @property
    def busy_s(self) -> float:
        """How long the call into the source that is running now has taken; 0 when none is running."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def stop(self) -> None:
        """Bring no more frames, from this moment on, and end as soon as the source lets go."""
        with self._gate:
            self._stopping.set()

    def run(self) -> None:
        """Capture until the source ends, fails or is stopped."""
        try:
            self._capture()
        except EndOfSource:
            self.is_over = True
        except CameraError as error:
            self.error = str(error)
        except Exception as error:  # whatever a driver's binding throws must reach the reader, not the console
            self.error = f"{self._source.description}: {type(error).__name__}: {error}"
        try:
            self._timed(self._source.close)
        except Exception as error:
            self.error = self.error or f"{self._source.description} could not be closed: {error}"

    def _capture(self) -> None:
        self._timed(self._source.open)
        n_warm_up = self._options.warm_up_frames or 0
        while not self._stopping.is_set():
            frame = self._timed(self._source.read)
            if n_warm_up > 0:
                n_warm_up -= 1
            else:
                self._deliver(frame)

    def _timed(self, call: Callable[[], _Result]) -> _Result:
        self._busy_since = time.monotonic()
        try:
            return call()
        finally:
            self._busy_since = None

    def _deliver(self, frame: SourceFrame) -> None:
        image_bgr = prepared(frame.image_bgr, self._options.flip)
        by_reader = self._options.pace == "reader" and not self._source.is_live
        if not by_reader:
            self._wait_until_due()
        with self._gate:
            if self._stopping.is_set():
                return
            self.has_delivered = True
            self._mailbox.put(image_bgr, frame.label)
        if by_reader:
            self._mailbox.wait_until_taken()

    def _wait_until_due(self) -> None:
        """Play a file at its own rate; what comes late moves the clock, so that nothing is rushed afterwards."""
        fps, now = self._source.nominal_fps, time.monotonic()
        if fps is None:
            return
        due_s = now if self._due_s is None else max(self._due_s, now - 1 / fps)
        self._stopping.wait(max(0.0, due_s - now))
        self._due_s = due_s + 1 / fps
