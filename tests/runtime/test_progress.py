"""The progress bar, on a real terminal and without one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from hyperflow_runtime.commands.progress import late_progress

with late_progress("rounds", after_s=float(sys.argv[1])) as announce:
    for done in range(1, 4):
        announce(done, 3)
print("done")
"""


def shown_on_a_terminal(after_s: float) -> str:
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-c", SCRIPT, str(after_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:  # how Linux says that the other side is closed
            pass
        os.close(ours)
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
    assert process.returncode == 0
    return shown.decode()


def test_a_bar_counts_on_a_terminal_once_it_takes_long() -> None:
    shown = shown_on_a_terminal(0.0)

    assert "rounds" in shown
    assert "3/3" in shown


def test_what_is_quick_shows_no_bar() -> None:
    assert "rounds" not in shown_on_a_terminal(60.0)


@pytest.mark.parametrize("after_s", ["0", "60"])
def test_nothing_is_shown_where_there_is_no_terminal(after_s: str) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, after_s], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
