"""Several processes that train together, started by torch's own launcher."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hyperflow.checkpoint import load_checkpoint
from hyperflow.errors import TrainingError
from hyperflow.training.state import load_state
from hyperflow.training.workers import Workers, join_workers

SCRIPT = """
import sys
import torch
from hyperflow.training.workers import join_workers

workers = join_workers("cpu")
weight = torch.nn.Parameter(torch.zeros(3))
unused = torch.nn.Parameter(torch.zeros(2))
weight.grad = torch.full((3,), float(workers.rank + 1))
workers.average_gradients([weight, unused])
agreed = workers.agree(10.0 + workers.rank)
open(f"{sys.argv[1]}/{workers.rank}", "w").write(f"{workers.size} {weight.grad.tolist()} {agreed} {workers.is_first}")
workers.leave()
"""


def test_workers_share_gradients_and_the_firsts_decisions(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script, tmp_path],
        check=True,
        capture_output=True,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )

    assert (tmp_path / "0").read_text() == "2 [1.5, 1.5, 1.5] 10.0 True"
    assert (tmp_path / "1").read_text() == "2 [1.5, 1.5, 1.5] 10.0 False"


def test_one_process_is_its_own_first_worker() -> None:
    workers = join_workers("cpu")

    assert workers == Workers(0, 1, torch.device("cpu"))
    assert workers.is_first
    assert workers.agree(0.25) == 0.25
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.ones(2)
    workers.average_gradients([weight])
    assert weight.grad.tolist() == [1.0, 1.0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a CUDA device")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(TrainingError, match="device 'cuda' was asked for, but torch sees none; use --device cpu"):
        join_workers("cuda")


def _train_command(start: Path, shape_sets: Path, cache: Path, config: Path, out: Path) -> list[str]:
    command = ["hyperflow", "train", start, "--data", shape_sets, "--cache", cache, "--config", config, "--out", out]
    return ["-m", *map(str, command), "--device", "cpu", "--quiet"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A refinement of twelve steps."""
    episodes = {"ways": [3, 4], "shots": [1, 2], "n_query": 3, "max_images": 30}
    split = {"pretraining_share": 0.0}
    run = {"split": split, "refinement": {"n_steps": 12, "learning_rate": 0.01, "episodes": episodes}}
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run))
    return path


def test_two_workers_train_one_drift(start: Path, shape_sets: Path, cache: Path, config: Path, tmp_path: Path) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = _train_command(start, shape_sets, cache, config, tmp_path / "two")
    subprocess.run(
        [sys.executable, *launcher, *arguments],
        check=True,
        capture_output=True,
        timeout=200,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )

    log = [json.loads(line) for line in (tmp_path / "two/refinement/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [12]
    change = load_checkpoint(tmp_path / "two/checkpoint").field.directions
    assert change.isfinite().all()
    assert change.abs().max() > 0


def test_a_training_that_was_killed_goes_on_to_the_same_weights(
    start: Path, shape_sets: Path, cache: Path, config: Path, tmp_path: Path
) -> None:
    def command(out: str) -> list[str]:
        return [sys.executable, *_train_command(start, shape_sets, cache, config, tmp_path / out)]

    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command("whole"), check=True, capture_output=True, timeout=120, env=environment)
    # The state is saved after every step here, and step 7 never ends.
    script = (
        "import os, signal, functools, sys\n"
        "from hyperflow.training import drift_training as t, refinement as r\n"
        "t.LoopOptions = functools.partial(t.LoopOptions, save_every_s=0.0)\n"
        "step = r.RefinementStage.step\n"
        "r.RefinementStage.step = lambda s, i: os.kill(os.getpid(), signal.SIGKILL) if i == 7 else step(s, i)\n"
        "from hyperflow.commands.main import main\n"
        "main(sys.argv[1:])\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, *command("killed")[3:]], capture_output=True, timeout=120, env=environment
    )
    assert killed.returncode == -9, killed.stderr
    assert load_state(tmp_path / "killed/refinement/state.safetensors")[1] == 7
    subprocess.run([*command("killed"), "--resume"], check=True, capture_output=True, timeout=120, env=environment)

    whole, resumed = (load_checkpoint(tmp_path / out / "checkpoint").state_dict() for out in ("whole", "killed"))
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())
