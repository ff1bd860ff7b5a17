"""A process that forgets to close what works in the background ends all the same, and well."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = """
import sys
import numpy as np
from hyperflow_runtime import open_bundle
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.live.classifying import LiveClassifier
from hyperflow_runtime.live.shot_queue import ShotQueue

session = open_bundle(sys.argv[1]).session()
frames = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3)).astype(np.uint8)
session.add("a", frames[:2])
session.add("b", frames[2:])
session.adapt()
camera = open_camera("synthetic://")
live = LiveClassifier(camera, session)
live.wait(timeout_s=30)
queue = ShotQueue(session)
for frame in frames:
    queue.offer("a", frame)
if sys.argv[2] == "raise":
    raise SystemExit(0)
if sys.argv[2] == "camera":
    camera.close()
"""


@pytest.mark.parametrize("ending", ["return", "raise", "camera"])
def test_a_process_that_closes_nothing_ends(
    tiny_bundle: Path, run_python: Callable[..., subprocess.CompletedProcess[str]], ending: str
) -> None:
    ended = run_python(SCRIPT, tiny_bundle, ending)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
