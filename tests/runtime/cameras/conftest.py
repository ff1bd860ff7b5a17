"""Fixtures of the cameras' tests: small sources written here, videos, and an RTSP server."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime.cameras.source import EndOfSource, SourceFrame

ROOT = Path(__file__).parents[3]
DEBIAN_PYTHON = Path("/usr/bin/python3")


def picture(value: int = 0, *, width: int = 32, height: int = 24) -> NDArray[np.uint8]:
    """A plain frame, all of one value."""
    return np.full((height, width, 3), value % 256, np.uint8)


class Scripted:
    """A source that does what a test says: each item is a frame's value, an error to raise, or an event to wait for.

    After the last item it is over. `n_opened` and `n_closed` count calls, `closed` tells of the first one, `threads`
    are those that called. When the test is over, all its events are set.
    """

    gates: ClassVar[list[threading.Event]] = []
    description = "a scripted source"
    stage = None

    def __init__(self, *items: int | Exception | threading.Event, is_live: bool = False, fps: float | None = None):
        self.is_live, self.nominal_fps = is_live, fps
        self.items = list(items)
        self.gates.extend(item for item in items if isinstance(item, threading.Event))
        self.n_opened = self.n_closed = 0
        self.closed = threading.Event()
        self.threads: set[str] = set()

    def open(self) -> None:
        self.n_opened += 1
        self.threads.add(threading.current_thread().name)

    def read(self) -> SourceFrame:
        while self.items:
            item = self.items.pop(0)
            if isinstance(item, Exception):
                raise item
            if isinstance(item, threading.Event):
                assert item.wait(30)
                continue
            return SourceFrame(picture(item), str(item))
        raise EndOfSource("the script is over")

    def close(self) -> None:
        self.n_closed += 1
        self.closed.set()


@pytest.fixture
def scripted() -> type[Scripted]:
    """Make sources that do what a test says."""
    return Scripted


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts last a hundredth of a second at first, and never more than a tenth."""
    monkeypatch.setattr("hyperflow_runtime.cameras.supervising._FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("hyperflow_runtime.cameras.supervising._LONGEST_PAUSE_S", 0.1)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every camera's threads end with it, once what blocks them is gone."""
    yield
    for gate in Scripted.gates:
        gate.set()
    Scripted.gates.clear()
    for thread in threading.enumerate():
        if thread.name.startswith("camera "):
            thread.join(10)
            assert not thread.is_alive(), f"{thread.name} is left"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Thirty frames at 50 a second, 64 x 48 px, each brighter than the one before it."""
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "grey.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 50, (64, 48))
    for number in range(30):
        writer.write(picture(8 * number, width=64, height=48))
    writer.release()
    return path


class RtspServer:
    """scripts/rtsp_server.py, in a process of its own."""

    def __init__(self, *arguments: str, port: int = 0) -> None:
        command = [str(DEBIAN_PYTHON), str(ROOT / "scripts/rtsp_server.py"), "--port", str(port), *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._process.stdout is not None
        self._output = self._process.stdout
        said = self._output.readline()
        if not said.startswith("ready "):
            self.kill()
            pytest.fail(f"the RTSP server did not start: {said}")
        self.address = said.removeprefix("ready ").strip()

    @property
    def port(self) -> int:
        return int(self.address.split(":")[2].split("/")[0])

    def kill(self) -> None:
        """End it, as a power failure does; a second call does nothing."""
        self._process.kill()
        self._process.wait()
        self._output.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., RtspServer]]:
    """Start RTSP servers; they end with the test."""
    script = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if not DEBIAN_PYTHON.exists() or subprocess.run([DEBIAN_PYTHON, "-c", script], capture_output=True).returncode:
        pytest.skip("Debian's Python has no GstRtspServer: apt install gir1.2-gst-rtsp-server-1.0 python3-gi")
    if shutil.which("gst-inspect-1.0") is None:
        pytest.skip("no GStreamer tools: apt install gstreamer1.0-tools")
    started: list[RtspServer] = []

    def start(*arguments: str, port: int = 0) -> RtspServer:
        started.append(RtspServer(*arguments, port=port))
        return started[-1]

    yield start
    for server in started:
        server.kill()
