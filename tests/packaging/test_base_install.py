"""`pip install .` alone runs the runtime: no torch, no onnx, no OpenCV, and the oldest supported onnxruntime."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLDEST_ONNXRUNTIME = "1.23.2"  # the last with wheels for Python 3.10, which JetPack 6 has

SCRIPT = """
import importlib.util, sys
import numpy as np
import onnxruntime
from hyperflow_runtime import open_bundle

assert onnxruntime.__version__ == sys.argv[2], onnxruntime.__version__
for absent in ("torch", "onnx", "cv2", "safetensors"):
    assert importlib.util.find_spec(absent) is None, absent
rng = np.random.default_rng(0)
frames = lambda: [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(3)]
with open_bundle(sys.argv[1]) as model:
    session = model.session()
    session.add("mug", frames())
    session.add("pen", frames())
    report = session.adapt()
    session.wait_until_baked()
    print(session.predict(frames()[0]).best, report.n_shots)
"""

DEVICE_COMMANDS = (
    "hyperflow-runtime doctor --bundle BUNDLE",
    "hyperflow-runtime benchmark BUNDLE --n-way 2 --n-shot 2 --repetitions 2 --warm-up 1",
    "hyperflow-runtime camera synthetic:// --seconds 1 --json",
    "hyperflow-export inspect BUNDLE",
    "hyperflow-export verify BUNDLE",
    "hyperflow-export engine BUNDLE --list",
    "hyperflow-export triton BUNDLE -o repository",
)


@pytest.mark.slow
@pytest.mark.skipif(
    "HYPERFLOW_INSTALL_TESTS" not in os.environ, reason="set HYPERFLOW_INSTALL_TESTS to install packages"
)
def test_a_base_install_adapts_predicts_and_has_the_commands_of_a_device(tmp_path: Path, tiny_bundle: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    install = [python, "-m", "pip", "install", "-q", str(ROOT), f"onnxruntime=={OLDEST_ONNXRUNTIME}"]
    subprocess.run(install, check=True, timeout=600)

    done = subprocess.run(
        [python, "-W", "error", "-c", SCRIPT, str(tiny_bundle), OLDEST_ONNXRUNTIME],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "{'mug': 3, 'pen': 3}" in done.stdout
    for command in DEVICE_COMMANDS:
        program, *words = [str(tiny_bundle) if word == "BUNDLE" else word for word in command.split()]
        ended = subprocess.run(
            [python.parent / program, *words], capture_output=True, text=True, timeout=120, cwd=tmp_path
        )
        assert ended.returncode == 0, f"{command}: {ended.stderr}"


def test_the_runtime_is_found_without_pip(tiny_bundle: Path) -> None:
    """A Dockerfile may copy `runtime/hyperflow_runtime` and nothing else."""
    code = "import hyperflow_runtime; print(hyperflow_runtime.__file__)"
    environment = {"PYTHONPATH": str(ROOT / "runtime"), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert str(ROOT / "runtime") in done.stdout
