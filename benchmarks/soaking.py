"""What the soaks share: an app under test in a process of its own, and outages of its camera.

A soak runs an app for minutes or hours, breaks its camera again and again, and asks three things: did the memory stay
flat, did pictures come back after every outage, and did anything else fail. `soak_studio.py` and `soak_inspector.py`
use this module with `memory_trend` and `flaky_camera`:

    with FlakyCamera() as camera, App([sys.executable, "samples/...", "--camera", camera.uri]) as app:
        app.wait_for("Open ")
        with MemorySampler(app.pid) as memory:
            outages = break_camera(camera, n_outages=10, down_s=5, seconds=1800, pictures=count_of_pictures)
        print(memory.trend(skip_s=60).mb_per_hour, [outage.recovery_s for outage in outages])
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

from flaky_camera import FlakyCamera, can_serve_rtsp
from memory_trend import MemorySampler, MemoryTrend, resident_bytes, trend_of

__all__ = [
    "App",
    "FlakyCamera",
    "MemorySampler",
    "MemoryTrend",
    "Outage",
    "break_camera",
    "can_serve_rtsp",
    "resident_bytes",
    "trend_of",
]

_POLL_S = 0.05
_KEPT_LINES = 200


class App:
    """An app in a process of its own, with its output. A context manager, which ends it by Ctrl-C.

    Attributes:
        lines: The last lines that it printed, standard error among them.
        exit_status: After the context; None while it runs. -9 when it had to be killed.
    """

    def __init__(self, command: Sequence[str], *, grace_s: float = 20.0) -> None:
        """Wait for the context.

        Args:
            command: With its arguments.
            grace_s: How long it may take to end.
        """
        self._command, self._grace_s = list(command), grace_s
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.exit_status: int | None = None
        self._printed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="output", daemon=True)

    def __enter__(self) -> App:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(self._grace_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._reader.join()
        self.exit_status = self._process.returncode

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_for(self, beginning: str, *, timeout_s: float = 120.0) -> str:
        """Return the first line, printed so far or from now on, that begins like this.

        Raises:
            RuntimeError: It ended, or took too long; with what it printed.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._printed:
            while True:
                for line in self.lines:
                    if line.startswith(beginning):
                        return line
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._reader.is_alive():
                    raise RuntimeError(f"no line {beginning!r}... came; the app printed: {' | '.join(self.lines)}")
                self._printed.wait(min(left_s, 1.0))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._printed:
                self.lines.append(line.rstrip("\n"))
                self._printed.notify_all()


@dataclass(frozen=True)
class Outage:
    """One time that the camera was gone.

    Attributes:
        at_s: When it was taken away, in seconds from the start.
        down_s: How long it was gone.
        recovery_s: From its return to the next picture that the app gave; None when none came in time.
    """

    at_s: float
    down_s: float
    recovery_s: float | None


def break_camera(
    camera: FlakyCamera, *, n_outages: int, down_s: float, seconds: float, pictures: Callable[[], int],
    patience_s: float = 60.0,
) -> list[Outage]:  # fmt: skip
    """Take a camera away and put it back, at even distances.

    Args:
        camera: Running; runs again afterwards.
        n_outages: How often.
        down_s: How long it is gone each time.
        seconds: How long all of it takes, at least.
        pictures: How many pictures the app has given so far.
        patience_s: How long to wait for the next picture after each return.

    Returns:
        What came of each outage.
    """
    start_s = time.monotonic()
    outages = []
    for number in range(n_outages):
        _sleep_until(start_s + seconds * (number + 0.5) / n_outages)
        at_s = time.monotonic() - start_s
        camera.stop()
        time.sleep(down_s)
        camera.start()
        outages.append(Outage(at_s, down_s, _seconds_to_picture(pictures, patience_s)))
    _sleep_until(start_s + seconds)
    return outages


def _sleep_until(moment_s: float) -> None:
    time.sleep(max(0.0, moment_s - time.monotonic()))


def _seconds_to_picture(pictures: Callable[[], int], patience_s: float) -> float | None:
    before, start_s = pictures(), time.monotonic()
    while time.monotonic() < start_s + patience_s:
        if pictures() > before:
            return time.monotonic() - start_s
        time.sleep(_POLL_S)
    return None
