"""The systemd unit: checked by systemd itself, where it is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from line_inspector_parts import SCRIPT

UNIT = SCRIPT.with_name("line-inspector.service")


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    text = UNIT.read_text().replace("/opt/hyperflow/.venv/bin/python", sys.executable)
    (tmp_path / UNIT.name).write_text(text)

    done = subprocess.run(["systemd-analyze", "verify", tmp_path / UNIT.name], capture_output=True, text=True)

    complaints = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert complaints == []


def test_the_unit_starts_the_script_that_is_there_and_reloads_by_the_signal_it_knows() -> None:
    text = UNIT.read_text()

    assert re.search(r"^ExecStart=\S+python \S+/samples/line_inspector/inspect_line\.py --config \S+$", text, re.M)
    assert "ExecReload=/bin/kill -HUP $MAINPID" in text
    assert re.search(r"^Type=notify$", text, re.M)
