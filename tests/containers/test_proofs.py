"""The proofs on emulated hardware: their parts and their help always, the proofs themselves where that is asked for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PROOFS = ("check_arm64.py", "check_jetson_image.py")


def run_proof(name: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", ROOT / "scripts" / name, *words],
        capture_output=True, text=True, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize("name", PROOFS)
def test_help_tells_options_and_exit_codes(name: str) -> None:
    shown = run_proof(name, "--help")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert {"--bundle", "--cache", "--suite", "--mirror", "--json"} <= set(shown.stdout.replace(",", " ").split())
    assert "exit code: 0" in shown.stdout
    assert os.access(ROOT / "scripts" / name, os.X_OK)


@pytest.mark.parametrize("name", PROOFS)
def test_missing_programs_are_named_with_the_line_that_installs_them(name: str, tmp_path: Path) -> None:
    ended = run_proof(name, "--cache", str(tmp_path / "cache"), PATH=str(tmp_path))

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "missing: debootstrap" in ended.stderr
    assert "sudo apt-get install debootstrap" in ended.stderr
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def answers(tmp_path: Path, tiny_bundle: Path, scripts_path: Path) -> Path:
    """What this machine answers with the tiny bundle about pictures of noise."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for split in ("support", "query"):
        for kind in ("mug", "pen"):
            (tmp_path / split / kind).mkdir(parents=True)
            for number in range(2):
                pixels = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / kind / f"{number}.png")
    script = scripts_path / "emulation/answers.py"
    subprocess.run([sys.executable, "-W", "error", script, tiny_bundle, tmp_path, tmp_path / "a.npz"], check=True)
    return tmp_path / "a.npz"


def test_a_machine_agrees_with_itself(answers: Path) -> None:
    from emulation.comparing import compare

    comparison = compare(answers, answers)

    assert comparison.agrees
    assert comparison.n_queries == comparison.n_same_labels == 4
    assert "DIFFERS" not in comparison.table()
    assert json.loads(json.dumps(comparison.as_json()))["agrees"] is True


@pytest.mark.parametrize("spoil", ["small", "nan", "label", "guard"])
def test_a_machine_that_computes_something_else_is_found(answers: Path, tmp_path: Path, spoil: str) -> None:
    from emulation.comparing import compare

    with np.load(answers) as stored:
        arrays = dict(stored)
    if spoil == "small":
        arrays["theta"][0] += np.abs(arrays["theta"]).max() * 1e-4
    elif spoil == "nan":
        arrays["features"][0, 0] = np.nan
    elif spoil == "label":
        arrays["probabilities"] = arrays["probabilities"][:, ::-1]
    else:
        arrays["guard_choice"] = arrays["guard_choice"] + 1
    np.savez(tmp_path / "b.npz", **arrays)

    assert not compare(answers, tmp_path / "b.npz").agrees


def test_nothing_is_removed_through_a_mount(
    tmp_path: Path, scripts_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emulation import cache
    from emulation.failure import CannotRun

    (tmp_path / "a b/mounted").mkdir(parents=True)
    monkeypatch.setattr(cache, "mount_points", lambda: [tmp_path / "a b/mounted"])

    with pytest.raises(CannotRun, match=f"umount {tmp_path}/a b/mounted"):
        cache.remove_folder(tmp_path / "a b")
    monkeypatch.setattr(cache, "mount_points", lambda: [tmp_path / "a"])
    cache.remove_folder(tmp_path / "a b")

    assert not (tmp_path / "a b").exists()


def test_mount_points_are_those_of_this_process(scripts_path: Path) -> None:
    from emulation.cache import mount_points

    assert Path("/proc") in mount_points()


def test_the_cache_serves_one_run_at_a_time(tmp_path: Path, scripts_path: Path) -> None:
    from emulation.cache import only_one_run
    from emulation.failure import CannotRun

    with only_one_run(tmp_path), pytest.raises(CannotRun, match="another run uses the cache"), only_one_run(tmp_path):
        pass
    with only_one_run(tmp_path):
        pass


def test_a_failed_program_is_reported_with_its_last_lines(tmp_path: Path, scripts_path: Path) -> None:
    from emulation.failure import ProofFailed
    from emulation.programs import run

    with pytest.raises(
        ProofFailed, match=r"counting failed with exit code 3; everything it printed: .*log\n1\n(\d\n)*9$"
    ):
        run(["sh", "-c", "seq 9; exit 3"], what="counting", log=tmp_path / "log")


def _needs(*programs: str) -> None:
    if "HYPERFLOW_ARM64_TESTS" not in os.environ:
        pytest.skip("set HYPERFLOW_ARM64_TESTS to emulate an arm64 machine, which takes minutes")
    missing = [program for program in programs if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(programs)}")


@pytest.mark.arm64
def test_the_runtime_answers_on_arm64_as_here() -> None:
    _needs("debootstrap", "qemu-aarch64-static")

    ended = run_proof("check_arm64.py", "--json")

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["machines"][1]["machine"] == "aarch64"


@pytest.mark.arm64
def test_the_images_build_and_hold_what_they_promise() -> None:
    _needs("debootstrap", "qemu-aarch64-static", "buildah")

    ended = run_proof("check_jetson_image.py", "--json")

    assert ended.returncode == 0, ended.stderr
    assert set(json.loads(ended.stdout)["images"]) == {"Dockerfile.jetson", "Dockerfile"}
