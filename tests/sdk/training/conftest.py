"""A start checkpoint and trajectories of it, shared by the tests of training."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch

from hyperflow.checkpoint import save_checkpoint
from hyperflow.datasets.domain_split import DomainSplit
from hyperflow.model import HyperFlow, ModelConfig
from hyperflow.teacher.tasks import TaskRule
from hyperflow.trajectories.config import SimulationConfig
from hyperflow.trajectories.plan import make_plan, predict
from hyperflow.trajectories.simulation import simulate

SPLIT = DomainSplit(meta_validation=("triangle",), pretraining_share=0.0)


@pytest.fixture(scope="package")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="package")
def start(tiny_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with fresh weights, whose drift stands still and writes to every coordinate."""
    torch.manual_seed(0)
    drift = msgspec.structs.replace(tiny_config.drift, field_rank=0, channel_width=0, feedback_width=0, dropout=0.0)
    folder = tmp_path_factory.mktemp("start")
    save_checkpoint(HyperFlow(msgspec.structs.replace(tiny_config, drift=drift)).eval(), folder)
    return folder


@pytest.fixture(scope="package")
def trajectories(start: Path, shape_sets: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve trajectories of six steps."""
    folder = tmp_path_factory.mktemp("trajectories")
    config = SimulationConfig(
        split=SPLIT, tasks=TaskRule(per_set=2, ways=(3, 4)), n_seeds=2, checkpoints=(0, 2, 4, 6), learning_rate=0.05
    )
    plan = make_plan(config, start, shape_sets, cache=cache, quiet=True)
    simulate(plan, predict(plan, n_workers=1), folder / "store", quiet=True)
    return folder / "store"
