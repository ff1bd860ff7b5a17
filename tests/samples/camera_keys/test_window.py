"""The window on a screen without a monitor (Xvfb), with real key presses (xdotool)."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

cv2 = pytest.importorskip("cv2")

LIMIT_S = 60.0
TITLE = "HyperFlow: teach by keys"
MISSING = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)} on the PATH (xvfb, xdotool)")


@pytest.fixture(scope="module")
def screen() -> Iterator[dict[str, str]]:
    """The environment, with a screen that nobody sees."""
    readable, writable = os.pipe()
    command = ["Xvfb", "-displayfd", str(writable), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writable], stderr=subprocess.DEVNULL)
    os.close(writable)
    try:
        with os.fdopen(readable) as numbers:
            number = numbers.readline().strip()
        if not number:
            pytest.skip("Xvfb does not start here")
        yield {**os.environ, "DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb"}
    finally:
        server.terminate()
        server.wait()


class App:
    """The app in its window; its events come as JSON lines."""

    def __init__(self, process: subprocess.Popen[str], screen: dict[str, str]) -> None:
        self.process, self._screen = process, screen
        self.window = self._xdotool("search", "--sync", "--name", TITLE).split()[0]
        self._xdotool("windowfocus", "--sync", self.window)

    def _xdotool(self, *arguments: str) -> str:
        command = ["xdotool", *arguments]
        return subprocess.run(
            command, env=self._screen, capture_output=True, text=True, timeout=LIMIT_S, check=True
        ).stdout

    def press(self, *keys: str) -> None:
        self._xdotool("key", *keys)

    def hold(self, key: str) -> None:
        self._xdotool("keydown", key)

    def release(self, key: str) -> None:
        self._xdotool("keyup", key)

    def wait_for(self, kind: str) -> dict[str, Any]:
        """Read events until one of a kind comes."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event: dict[str, Any] = json.loads(line)
            if event["event"] == kind:
                return event
        raise AssertionError(f"the app ended before {kind!r}")

    def close_window(self) -> None:
        """Do what a click on the window's closing button does."""
        send_close_request(self.window, self._screen["DISPLAY"])

    def wait(self) -> int:
        assert self.process.stdout is not None
        self.process.stdout.read()
        return self.process.wait(LIMIT_S)


def send_close_request(window: str, display_name: str) -> None:
    class ClientMessage(ctypes.Structure):
        _fields_ = (
            ("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int),
            ("display", ctypes.c_void_p), ("window", ctypes.c_ulong), ("message_type", ctypes.c_ulong),
            ("format", ctypes.c_int), ("data", ctypes.c_long * 5), ("rest", ctypes.c_long * 16),
        )  # fmt: skip

    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype, x11.XInternAtom.restype = ctypes.c_void_p, ctypes.c_ulong
    display = ctypes.c_void_p(x11.XOpenDisplay(display_name.encode()))
    protocols, delete = (x11.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    message = ClientMessage(type=33, window=int(window), message_type=protocols, format=32)
    message.data[0] = delete
    assert x11.XSendEvent(display, ctypes.c_ulong(int(window)), 0, ctypes.c_long(0), ctypes.byref(message))
    x11.XFlush(display)
    x11.XCloseDisplay(display)


@pytest.fixture
def app(command: Callable[..., list[str]], screen: dict[str, str], tmp_path: Path) -> Iterator[App]:
    arguments = command(
        "--camera", "synthetic://?width=320&height=240&fps=30", "--names", "mug,Löffel", "--json", "--video", "out.mp4"
    )
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=screen, text=True
    ) as process:
        deadline = threading.Timer(LIMIT_S, process.kill)
        deadline.start()
        try:
            yield App(process, screen)
        finally:
            deadline.cancel()
            process.kill()


def test_number_keys_teach_and_letters_undo_save_and_quit(app: App, tmp_path: Path) -> None:
    app.press("1")
    assert app.wait_for("shot")["label"] == "mug"
    app.press("KP_2")
    assert app.wait_for("shot")["label"] == "Löffel"
    assert app.wait_for("adapted")["step_size"] >= 0
    app.press("u")
    assert app.wait_for("undone")["n_shots"] == {"mug": 1}
    app.hold("2")
    app.wait_for("adapted")
    app.release("2")
    app.press("b")
    assert "without" in app.wait_for("view")["text"]
    app.press("question")
    assert "keys" in app.wait_for("help")["text"]
    app.press("S")
    app.wait_for("saved")
    app.press("Escape")

    assert app.wait() == 0
    assert (tmp_path / "desk.adaptation").exists()
    capture = cv2.VideoCapture(str(tmp_path / "out.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
    capture.release()


def test_a_held_key_takes_several_pictures(app: App) -> None:
    app.hold("1")
    shots = [app.wait_for("shot") for _ in range(5)]
    app.release("1")
    app.press("q")

    assert app.wait() == 0
    assert [shot["label"] for shot in shots] == ["mug"] * 5


def test_a_click_on_the_closing_button_ends_the_run(app: App, load: Callable[[str], ModuleType]) -> None:
    app.press("1")
    app.wait_for("shot")
    app.close_window()

    assert app.wait() == 0
    assert app.process.stderr is not None
    errors = app.process.stderr.read()
    assert "Traceback" not in errors
    assert load("lettering").font_folder() is None or "QFontDatabase" not in errors


def test_a_display_that_is_not_there_is_one_clear_line(
    command: Callable[..., list[str]], no_display: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        command("--camera", "synthetic://"), env={**no_display, "DISPLAY": ":4077"}, cwd=tmp_path,
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "4077" in done.stderr
    assert "--headless" in done.stderr
