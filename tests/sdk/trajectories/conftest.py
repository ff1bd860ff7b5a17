"""A tiny model saved as a checkpoint, and small simulations of it on the sets of coloured shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import torch

from hyperflow.checkpoint import save_checkpoint
from hyperflow.datasets.domain_split import DomainSplit
from hyperflow.model import HyperFlow, ModelConfig
from hyperflow.teacher.tasks import TaskRule
from hyperflow.teacher.whole_class import WholeClassTeacher
from hyperflow.trajectories.config import SimulationConfig
from hyperflow.trajectories.manifest import Manifest
from hyperflow.trajectories.plan import Plan, make_plan, predict
from hyperflow.trajectories.simulation import simulate
from hyperflow.trajectories.workers import Workers


class Simulated(NamedTuple):
    """A finished store and what it was made from."""

    folder: Path
    manifest: Manifest
    plan: Plan


Simulate = Callable[..., Manifest]


@pytest.fixture(scope="session")
def checkpoint(tiny_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(0)
    save_checkpoint(HyperFlow(tiny_config), folder)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def config() -> SimulationConfig:
    """Nine tasks of two trajectories, five in a shard: four shards, the last one short."""
    return SimulationConfig(
        split=DomainSplit(meta_validation=("triangle",), pretraining_share=0.5),
        tasks=TaskRule(per_set=3, ways=(2, 3)),
        teacher=WholeClassTeacher(n_support=2, n_query=3),
        n_seeds=2,
        noise=0.05,
        checkpoints=(0, 1, 3),
        learning_rate=0.01,
        shard_trajectories=5,
    )


@pytest.fixture(scope="session")
def plan(config: SimulationConfig, checkpoint: Path, shape_sets: Path, cache: Path) -> Plan:
    return make_plan(config, checkpoint, shape_sets, cache=cache, quiet=True)


@pytest.fixture(scope="session")
def run(plan: Plan) -> Simulate:
    """Simulate the plan, or one that differs, into a folder."""

    def simulated(
        out: Path, *, plan: Plan = plan, workers: Workers | None = None, resume: bool = False, quiet: bool = True
    ) -> Manifest:
        return simulate(plan, predict(plan, n_workers=1), out, workers=workers, resume=resume, quiet=quiet)

    return simulated


@pytest.fixture(scope="session")
def simulated(plan: Plan, run: Simulate, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """A finished store; never written to."""
    folder = tmp_path_factory.mktemp("simulated")
    return Simulated(folder, run(folder), plan)


@pytest.fixture
def other_plan(plan: Plan) -> Callable[..., Plan]:
    """The plan with another configuration."""

    def changed(**values: object) -> Plan:
        config = msgspec.structs.replace(plan.config, **values)
        return Plan(config, plan.model, plan.domains, plan.tasks)

    return changed
