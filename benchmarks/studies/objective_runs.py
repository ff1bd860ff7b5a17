"""The runs of the objectives study: which there are, and making those that are not there yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from hyperflow.checkpoint import load_checkpoint
from hyperflow.commands.run_config import read_run_config
from hyperflow.datasets.packing import PACKED_SCALE, pack_domains
from hyperflow.errors import ConfigError, TrainingError
from hyperflow.evaluation.subjects import subject_digest
from hyperflow.teacher.interpolation import Interpolation
from hyperflow.training.cost import COST_NAME, TrainingCost
from hyperflow.training.drift_training import STAGES, TrainConfig, TrainPaths, train
from hyperflow.training.drift_weights import DriftWeights
from hyperflow.training.flow_matching import FlowMatching, FlowMatchingStage
from hyperflow.training.loop import STATE_NAME
from hyperflow.training.refinement import Refinement
from hyperflow.training.workers import join_workers
from hyperflow.trajectories.config import SimulationConfig
from hyperflow.trajectories.manifest import MANIFEST_NAME, Manifest, read_manifest
from hyperflow.trajectories.plan import make_plan, predict
from hyperflow.trajectories.simulation import simulate
from hyperflow.trajectories.store import open_trajectories
from hyperflow.trajectories.whole_file import replace_file
from hyperflow.trajectories.workers import parse_workers

__all__ = ["RUNS", "Budget", "Places", "RunPlan", "Teacher", "TrainedRun", "recon_errors", "simulate_all", "train_one"]

Teacher = Literal["support", "whole-class"]
TEACHERS: tuple[Teacher, ...] = ("support", "whole-class")


@dataclass(frozen=True)
class RunPlan:
    """One training.

    Attributes:
        teacher: Whose trajectories it follows first; None for refinement alone.
        objective: How these are interpolated.
        refines: Whether refinement follows, or stands alone.
    """

    teacher: Teacher | None
    objective: Interpolation | None
    refines: bool


RUNS: dict[str, RunPlan] = {
    **{
        f"{teacher}-{objective}": RunPlan(teacher, objective, False)
        for teacher in TEACHERS
        for objective in ("linear", "piecewise", "cubic")
    },
    "refine": RunPlan(None, None, True),
    "support-cubic+refine": RunPlan("support", "cubic", True),
    "whole-class-cubic+refine": RunPlan("whole-class", "cubic", True),
}
"""By name; every run that refines has the same number of refinement steps."""


@dataclass(frozen=True)
class Places:
    """Where everything lies.

    Attributes:
        start: Checkpoint with an untrained drift.
        data: Training image sets.
        config_dir: Holds `simulate-support.json` and `simulate-whole-class.json`.
        train_config: What `hyperflow train --config` takes; the defaults when None.
        out: A folder for each simulation and each run.
        cache: Folder for packed images.
    """

    start: Path
    data: Path
    config_dir: Path
    train_config: Path | None
    out: Path
    cache: Path

    def trajectories(self, teacher: Teacher) -> Path:
        """Store of a teacher's trajectories."""
        return self.out / f"trajectories-{teacher}"

    def simulation(self, teacher: Teacher) -> SimulationConfig:
        """What a teacher's simulation runs.

        Raises:
            ConfigError: The file cannot be read.
        """
        return read_run_config(SimulationConfig, self.config_dir / f"simulate-{teacher}.json")


@dataclass(frozen=True)
class Budget:
    """How long to train, the same for every run.

    Attributes:
        flow_steps: Of flow matching.
        refine_steps: Of refinement.
        seed: Of every training.
    """

    flow_steps: int
    refine_steps: int
    seed: int


class TrainedRun(msgspec.Struct, frozen=True):
    """A finished run.

    Attributes:
        checkpoint: Where it is.
        cost: Of its training, over all its interruptions.
    """

    checkpoint: Path
    cost: TrainingCost


def simulate_all(
    places: Places, teachers: Sequence[Teacher], workers: str, *, quiet: bool
) -> dict[Teacher, Manifest]:  # fmt: skip
    """Simulate the trajectories of some teachers; finished stores are kept, unfinished ones gone on with.

    Raises:
        ConfigError: A configuration that cannot work, or two whose splits differ.
        TrainingError: A store of another configuration or backbone.
    """
    pool = parse_workers(workers)
    configs = {teacher: places.simulation(teacher) for teacher in teachers}
    if len({msgspec.json.encode(config.split) for config in configs.values()}) > 1:
        raise ConfigError(f"the simulations in {places.config_dir} have different splits; give them the same")
    found = {}
    for teacher, config in configs.items():
        out = places.trajectories(teacher)
        plan = make_plan(config, places.start, places.data, cache=places.cache, quiet=quiet)
        resume = (out / MANIFEST_NAME).exists()
        if resume and (manifest := read_manifest(out)).config == config and len(manifest.shards) == manifest.n_shards:
            open_trajectories(out, plan.model)  # whole, and of this start
            found[teacher] = manifest
            continue
        prediction = predict(plan, n_workers=pool.n_workers)
        found[teacher] = simulate(plan, prediction, out, workers=pool, resume=resume, quiet=quiet)
    return found


def _config_of(run: RunPlan, places: Places, budget: Budget) -> TrainConfig:
    base = read_run_config(TrainConfig, places.train_config, seed=budget.seed)
    split = places.simulation(run.teacher or TEACHERS[0]).split
    if places.train_config is not None and base.split != split:
        raise ConfigError(f"{places.train_config} and the simulations have different splits; give them the same")
    flow = None
    if run.objective is not None:
        flow = msgspec.structs.replace(
            base.flow_matching or FlowMatching(), objective=run.objective, n_steps=budget.flow_steps
        )
    refinement = None
    if run.refines:
        refinement = msgspec.structs.replace(base.refinement or Refinement(), n_steps=budget.refine_steps)
    return msgspec.structs.replace(base, split=split, flow_matching=flow, refinement=refinement)


def train_one(name: str, places: Places, budget: Budget, *, device: str, quiet: bool) -> TrainedRun:
    """Train one run; a finished one is kept, one that was interrupted is gone on with.

    Args:
        name: One of `RUNS`.
        places: Where.
        budget: How long.
        device: As `hyperflow train --device` takes it.
        quiet: Show no progress bar.

    Raises:
        TrainingError: The folder holds a run of another configuration or start, or the training cannot go on.
    """
    run, folder = RUNS[name], places.out / name
    config = _config_of(run, places, budget)
    asked = msgspec.json.format(
        msgspec.json.encode({"start": subject_digest(places.start), "config": config}), indent=2
    )  # fmt: skip
    described = folder / "run.json"
    if described.exists() and described.read_bytes() != asked:
        raise TrainingError(f"{folder} holds a run of another start or configuration; name another --out or remove it")
    cost = folder / COST_NAME  # what a training writes last
    if not cost.exists():
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(described, asked)
        paths = TrainPaths(
            places.start, places.data, folder, places.cache, places.trajectories(run.teacher) if run.teacher else None
        )
        resume = any((folder / stage / STATE_NAME).exists() for stage in STAGES)
        train(config, paths, device=device, resume=resume, quiet=quiet)
    return TrainedRun(folder / "checkpoint", msgspec.json.decode(cost.read_bytes(), type=TrainingCost))


def recon_errors(
    checkpoint: Path, places: Places, teachers: Sequence[Teacher], budget: Budget
) -> Mapping[Teacher, float | None]:
    """How far a checkpoint ends from the held-back trajectories of each teacher, as a share of their length squared.

    The trajectories held back are those that no run of this study trained on; None where none is.
    """
    model = load_checkpoint(checkpoint)
    rule = model.config.preprocessing
    side_px = round(rule.size_px * PACKED_SCALE)
    domains = pack_domains(places.data, rule, places.cache, size_px=side_px, quiet=True)
    workers = join_workers("cpu")
    found: dict[Teacher, float | None] = {}
    base = read_run_config(TrainConfig, places.train_config)
    for teacher in teachers:
        weights = DriftWeights(model, workers, weight_decay=0.0, average_decay=0.0)
        stage = FlowMatchingStage(
            weights,
            places.simulation(teacher).split.apply(domains).refinement,
            open_trajectories(places.trajectories(teacher), model),
            base.flow_matching or FlowMatching(),
            workers,
            seed=budget.seed,
        )
        model.eval()  # without dropout; the weights above are not trained
        found[teacher] = stage.recon_error()
    return found
