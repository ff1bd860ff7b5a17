"""Keys from a terminal, each as it is pressed, without a window."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import tty
from typing import Any

from keys import Key

__all__ = ["TerminalKeys"]

_LONG_KEY = re.compile(r"\x1b(\[[0-9;]*[ -/]*[@-~]|O.)")  # an arrow or a function key: Esc, and more


class TerminalKeys:
    """Keys typed into the standard input, when it is a terminal; none otherwise. A context manager.

    The terminal gives single keys and shows none of them until the end, also when the run is interrupted. Ctrl-C works
    as always.
    """

    def __init__(self) -> None:
        """Change nothing yet."""
        self._before: list[Any] | None = None

    def __enter__(self) -> TerminalKeys:
        if sys.stdin is not None and sys.stdin.isatty():
            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)
            self._before = None

    def pressed(self) -> list[Key]:
        """Return the keys since the last call, without waiting."""
        if self._before is None or not select.select([sys.stdin], [], [], 0)[0]:
            return []
        text = os.read(sys.stdin.fileno(), 256).decode("ascii", "ignore")
        return list(_LONG_KEY.sub("", text))
