"""The soak, for seconds in the place of hours: a real camera, broker and webhook that fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from line_inspector_parts import mosquitto

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.broker
@pytest.mark.rtsp
def test_no_event_is_lost_while_the_camera_and_the_receivers_fail(
    tmp_path: Path, tiny_bundle: Path, rtsp_server: Callable[[int], subprocess.Popen[str]]
) -> None:
    mosquitto()
    pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt")
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg on the PATH")
    command = [sys.executable, ROOT / "benchmarks/soak_inspector.py", "--minutes", "0.3", "--bundle", tiny_bundle]
    command += ["--camera-outages", "1", "--receiver-outages", "1", "--down-s", "1", "--json", tmp_path / "soak.json"]

    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "soak.json").read_text())
    assert result["passed"]
    assert result["ledger"]["n_labels"] > 2
    assert result["ledger"]["missing"] == {"webhook": 0, "mqtt": 0}
    assert "arrived by mqtt" in done.stdout
