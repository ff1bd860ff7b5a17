"""Keeps a camera going: opens its source, watches it, and opens it again when it is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hyperflow_runtime.cameras.capturing import Capture
from hyperflow_runtime.cameras.mailbox import Mailbox
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import Source

__all__ = ["Supervisor", "pause_s"]

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_MOST_LEFT_BEHIND = 4


def pause_s(n_failures: int) -> float:
    """Return how long to wait before the next attempt, after so many failures without a frame between them, 1..."""
    return min(_FIRST_PAUSE_S * 2.0 ** min(n_failures - 1, 30), _LONGEST_PAUSE_S)


class Supervisor(threading.Thread):
    """Runs one `Capture` after the other until the source is over, has failed for good, or is no longer wanted.

    Attributes:
        source: The source in use; another one after the first was left behind.
        mailbox: Where its frames go.
    """

    def __init__(self, make_source: Callable[[], Source], options: CameraOptions) -> None:
        """Make the source; see `Camera`."""
        super().__init__(name="camera supervisor", daemon=True)
        self._make_source, self._options = make_source, options
        self.source = make_source()
        self.mailbox = Mailbox(self.source.description)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._capture: Capture | None = None
        self._left_behind: list[Capture] = []

    @property
    def n_blocked(self) -> int:
        """Number of threads that wait inside a driver, of those that were told to stop."""
        captures = [*self._left_behind, self._capture] if self._stopping.is_set() else self._left_behind
        return sum(capture is not None and capture.is_alive() for capture in captures)

    @property
    def has_given_up(self) -> bool:
        """Whether so many threads wait inside the driver that nothing more is tried until one of them returns."""
        return sum(capture.is_alive() for capture in self._left_behind) >= _MOST_LEFT_BEHIND

    def stop(self) -> None:
        """Capture no more; the thread ends after at most the options' `timeout_s`."""
        with self._lock:
            self._stopping.set()
            if self._capture is not None:
                self._capture.stop()

    def run(self) -> None:
        """Capture, again and again."""
        try:
            self._supervise()
        except Exception as error:  # readers must not wait for a thread that is no more
            self.mailbox.fail(f"{self.source.description} cannot be captured: {error}")

    def _supervise(self) -> None:
        n_failures = 0
        while True:
            capture = self._begun()
            if capture is None:
                return
            self._watch(capture)
            if self._stopping.is_set():
                return
            if capture.is_over:
                return self.mailbox.end()
            error = capture.error or self._blocked_text()
            if not (self._options.reconnect and self.source.is_live):
                return self.mailbox.fail(error)
            self.mailbox.lose(error)
            if capture.is_alive():
                self._left_behind.append(capture)
                self.source = self._make_source()
            n_failures = 1 if capture.has_delivered else n_failures + 1
            self._rest(pause_s(n_failures))

    def _begun(self) -> Capture | None:
        with self._lock:
            if self._stopping.is_set():
                return None
            self._capture = Capture(self.source, self._options, self.mailbox)
            self._capture.start()
            return self._capture

    def _watch(self, capture: Capture) -> None:
        """Return when the thread has ended, or when one call into the source has taken too long."""
        while capture.is_alive():
            left_s = self._options.timeout_s - capture.busy_s
            if left_s <= 0:
                capture.stop()
                return
            capture.join(left_s)

    def _rest(self, for_s: float) -> None:
        """Pause before the next attempt; longer while many threads are blocked, for each new one may join them."""
        while not self._stopping.wait(for_s):
            self._left_behind = [capture for capture in self._left_behind if capture.is_alive()]
            if len(self._left_behind) < _MOST_LEFT_BEHIND:
                return
            self.mailbox.lose(
                f"{self.source.description}: {len(self._left_behind)} attempts are still blocked in its driver; "
                "nothing more is tried until one of them ends. If none does, start this program again"
            )

    def _blocked_text(self) -> str:
        return (
            f"{self.source.description} gave no frame within {self._options.timeout_s:g} s and does not answer; "
            "look at its cable, power and network, or give it more time with timeout_s"
        )
