"""The OpenCV window."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from keys import ESCAPE, Key, key_from_code
from lettering import font_folder

__all__ = ["Window", "WindowError"]

_TITLE = "HyperFlow: teach by keys"
# Without a display, the Qt in OpenCV ends the whole process; so a process of its own finds out.
_PROBE = "import cv2; cv2.namedWindow('probe', 0x10); cv2.destroyAllWindows()"
_PROBE_LIMIT_S = 30.0


class WindowError(RuntimeError):
    """No window can be opened here."""


def _require_display() -> None:
    """Try a window.

    Raises:
        WindowError: It cannot be opened.
    """
    advice = "run with --headless (keys still work in a terminal), or use samples/studio in a browser"
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, errors="replace", timeout=_PROBE_LIMIT_S,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise WindowError(f"no window opened within {_PROBE_LIMIT_S:g} s; {advice}") from error
    if "not implemented" in probe.stderr:
        raise WindowError(f"this OpenCV ({cv2.__version__}) was built without windows; {advice}")
    if probe.returncode:
        lines = [line.strip() for line in probe.stderr.splitlines() if line.strip()]
        reason = lines[0] if lines else f"status {probe.returncode}"
        raise WindowError(f"no window can be opened here ({reason:.200}); {advice}")


def _name_fonts() -> None:
    """Tell the Qt in pip's OpenCV of a folder with fonts: its own is empty, and it complains at length."""
    named, folder = os.environ.get("QT_QPA_FONTDIR"), font_folder()
    if named is not None and folder is not None and not Path(named).is_dir():
        os.environ["QT_QPA_FONTDIR"] = str(folder)


class Window:
    """Shows canvases and gives the keys that were pressed. A context manager."""

    def __init__(self, *, fullscreen: bool = False) -> None:
        """Try whether a window can be opened; it opens with the first picture.

        Raises:
            WindowError: It cannot.
        """
        _require_display()
        _name_fonts()
        self._fullscreen, self._is_open = fullscreen, False

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        cv2.destroyAllWindows()
        cv2.waitKey(1)

    def show(self, canvas: NDArray[np.uint8], at_s: float) -> None:
        """Show a canvas, BGR, (H, W, 3); its time does not matter here."""
        if not self._is_open:
            cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
            cv2.resizeWindow(_TITLE, canvas.shape[1], canvas.shape[0])
            if self._fullscreen:
                cv2.setWindowProperty(_TITLE, cv2.WND_PROP_FULLSCREEN, cv2.WINDOW_FULLSCREEN)
            self._is_open = True
        cv2.imshow(_TITLE, canvas)

    def pressed(self) -> list[Key]:
        """Return the key since the last call; Esc when the window was closed by the mouse."""
        key = key_from_code(cv2.waitKeyEx(1))
        if self._is_open and not _is_visible():
            return [ESCAPE]
        return [] if key is None else [key]


def _is_visible() -> bool:
    try:
        return bool(cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) >= 1)
    except cv2.error:  # so says Qt of the last window, once it was closed
        return False
