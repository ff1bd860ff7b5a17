"""`hyperflow simulate`, as a user runs it, kills it and runs it again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from hyperflow.commands.main import main
from hyperflow.trajectories.config import SimulationConfig
from hyperflow.trajectories.manifest import Manifest, read_manifest
from hyperflow.trajectories.plan import Plan


@pytest.fixture
def arguments(config: SimulationConfig, checkpoint: Path, shape_sets: Path, cache: Path, tmp_path: Path) -> list[str]:
    """Everything but --out and the flags."""
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(config))
    options = {"--data": shape_sets, "--config": tmp_path / "config.json", "--cache": cache}
    return ["simulate", str(checkpoint), *(str(part) for option in options.items() for part in option)]


def _run(arguments: list[str], *more: str | Path) -> Result:
    return CliRunner().invoke(main, [*arguments, *map(str, more)])


def _shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("shard-*"))}


def test_the_command_predicts_simulates_and_says_what_it_took(
    arguments: list[str], simulated: tuple[Path, Manifest, Plan], tmp_path: Path
) -> None:
    result = _run(arguments, "--out", tmp_path / "out")

    assert result.exit_code == 0, result.output
    assert "Predicted: 18 trajectories (9 tasks, 2 each), 0.0 MB, " in result.stderr
    assert "CPU-hours, " in result.stderr
    assert f"Trajectories: {tmp_path / 'out'} (18, 0.0 MB, " in result.stdout
    assert _shards(tmp_path / "out") == _shards(simulated[0])


def test_a_dry_run_prints_the_prediction_and_writes_nothing(arguments: list[str], tmp_path: Path) -> None:
    told = _run(arguments, "--out", tmp_path / "out", "--dry-run")
    as_json = _run(arguments, "--out", tmp_path / "out", "--dry-run", "--json", "--quiet", "--workers", "local:1")

    assert told.stdout.startswith("Predicted: 18 trajectories")
    prediction = json.loads(as_json.stdout)
    assert (prediction["trajectories"], prediction["shard_trajectories"], prediction["n_workers"]) == (18, 5, 1)
    assert prediction["cpu_hours"] > 0
    assert not as_json.stderr
    assert not (tmp_path / "out").exists()


def test_the_result_can_be_had_as_json_with_nothing_beside_it(arguments: list[str], tmp_path: Path) -> None:
    result = _run(arguments, "--out", tmp_path / "out", "--json", "--quiet")

    outcome = json.loads(result.stdout)
    manifest = read_manifest(tmp_path / "out")
    assert (outcome["trajectories"], outcome["n_trajectories"]) == (str(tmp_path / "out"), 18)
    assert outcome["storage_bytes"] == manifest.cost.storage_bytes
    assert outcome["cpu_hours"] == pytest.approx(manifest.cost.cpu_hours)
    assert not result.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--workers", "many"], "workers must be local:N"),
        (["--config", "bad.json"], "is not a configuration of this command"),
        (["--data", "empty"], "holds no image set"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text('{"n_seed": 3}')
    (tmp_path / "empty").mkdir()

    result = _run(arguments, "--out", tmp_path / "out", *more)

    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize("workers", ["local:1", pytest.param("local:2", marks=pytest.mark.slow)])
def test_a_simulation_that_was_killed_goes_on_and_ends_in_the_same_bytes(
    arguments: list[str], simulated: tuple[Path, Manifest, Plan], tmp_path: Path, workers: str
) -> None:
    out = tmp_path / "out"
    start = "from hyperflow.commands.main import main; main()"
    command = [sys.executable, "-c", start, *arguments, "--out", str(out), "--workers", workers]
    with subprocess.Popen([*command, "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while not _shards(out) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        process.kill()
        _, errors = process.communicate()
    assert process.returncode in (-signal.SIGKILL, 0), errors.decode()
    assert 1 <= len(_shards(out))

    result = _run(arguments, "--out", out, "--resume", "--quiet")

    assert result.exit_code == 0, result.output
    assert _shards(out) == _shards(simulated[0])
    assert sorted(read_manifest(out).shards) == [0, 1, 2, 3]
