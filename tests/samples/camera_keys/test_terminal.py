"""Keys typed into a terminal, and ends that come from outside."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

cv2 = pytest.importorskip("cv2")

LIMIT_S = 60.0


class Terminal:
    """The app in a terminal of its own, and what it wrote there."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process, self._end, self.text = process, end, ""

    def wait_for(self, text: str) -> None:
        """Read until a text was written."""
        deadline_s = time.monotonic() + LIMIT_S
        while text not in self.text:
            assert time.monotonic() < deadline_s, self.text
            if select.select([self._end], [], [], 0.5)[0]:
                self.text += os.read(self._end, 4096).decode()

    def press(self, keys: str) -> None:
        os.write(self._end, keys.encode())


@contextmanager
def terminal(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment, start_new_session=True
    )  # fmt: skip
    try:
        yield Terminal(process, ours)
        process.wait(LIMIT_S)
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def n_pictures(path: Path) -> int:
    capture, n = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        n += 1
    capture.release()
    return n


@pytest.fixture
def scene(command: Callable[..., list[str]]) -> list[str]:
    return command("--headless", "--camera", "synthetic://?width=160&height=120&fps=30", "--names", "mug,leaf")


def test_keys_in_a_terminal_teach_save_and_quit_and_the_terminal_is_as_before(
    scene: list[str], tmp_path: Path, no_display: dict[str, str]
) -> None:
    with terminal(scene, tmp_path, no_display) as app:
        app.wait_for("h: help")
        app.press("1")
        app.wait_for("mug: picture 1")
        app.press("x\x1b[A2")  # x does nothing, and an arrow key is not Esc
        app.press("2")
        app.wait_for("leaf: picture 1")
        app.wait_for("adapted in")
        app.press("s")
        app.wait_for("saved as desk.adaptation")
        app.press("q")

    assert app.process.returncode == 0, app.text
    assert (tmp_path / "desk.adaptation").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_end_from_outside_leaves_a_whole_video_and_a_usable_terminal(
    scene: list[str], tmp_path: Path, no_display: dict[str, str], number: signal.Signals
) -> None:
    with terminal([*scene, "--video", "out.mp4"], tmp_path, no_display) as app:
        app.wait_for("h: help")
        app.press("1")
        app.wait_for("mug: picture 1")
        app.process.send_signal(number)

    assert app.process.returncode == 0, app.text
    assert n_pictures(tmp_path / "out.mp4") > 0
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]
    assert "Traceback" not in app.text
