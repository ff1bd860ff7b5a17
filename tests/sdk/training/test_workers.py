"""Several processes that train together, started by torch's own launcher."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hyperflow.errors import TrainingError
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
