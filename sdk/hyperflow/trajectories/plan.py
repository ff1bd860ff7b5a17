"""What a simulation will do and take, known before it starts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hyperflow.checkpoint import load_checkpoint
from hyperflow.datasets.packing import PACKED_SCALE, pack_domains
from hyperflow.errors import DataError
from hyperflow.images.packed import PackedSet
from hyperflow.model import HyperFlow
from hyperflow.teacher.tasks import Task, draw_tasks
from hyperflow.teacher.whole_class import n_images_per_step
from hyperflow.trajectories.config import SimulationConfig
from hyperflow.trajectories.fingerprint import backbone_sha256
from hyperflow.trajectories.jobs import ShardJob, TrajectoryJob, one_thread, simulate_trajectory, task_pixels
from hyperflow.trajectories.manifest import Manifest

__all__ = ["Plan", "Prediction", "make_plan", "predict"]

_SHARD_SECONDS = 30.0  # work that a kill can cost; files stay few all the same
_SHARD_BYTES = 128 * 2**20  # pixels that travel to a worker at once
_TIMED_STEPS = 3


class Prediction(msgspec.Struct, frozen=True):
    """What a simulation will take.

    Attributes:
        trajectories: To simulate, finished ones included.
        shard_trajectories: In one file.
        storage_bytes: Of all shards.
        cpu_hours: Of all trajectories, from a few measured steps of the first task.
        hours: On the workers that were asked for, if they are as fast and as busy as this machine is now.
        n_workers: Their number.
    """

    trajectories: int
    shard_trajectories: int
    storage_bytes: int
    cpu_hours: float
    hours: float
    n_workers: int


@dataclass(frozen=True)
class Plan:
    """A simulation that is ready to run.

    Attributes:
        config: As asked for.
        model: Whose backbone is tuned.
        domains: Sets by name, refinement classes alone.
        tasks: All tasks.
    """

    config: SimulationConfig
    model: HyperFlow = field(repr=False)
    domains: dict[str, PackedSet] = field(repr=False)
    tasks: tuple[Task, ...]

    def manifest(self, shard_trajectories: int) -> Manifest:
        """The manifest before anything is done."""
        return Manifest(
            config=self.config,
            logit_scale=self.config.logit_scale or self.model.config.device.logit_scale,
            backbone_sha256=backbone_sha256(self.model),
            subset=self.model.config.subset,
            n_parameters=len(self.model.backbone.theta_0),
            shard_trajectories=shard_trajectories,
            n_images={name: sum(domain.class_sizes) for name, domain in self.domains.items()},
            tasks=self.tasks,
        )

    def trajectory_job(self, index: int, pixels: list[NDArray[np.uint8]] | None = None) -> TrajectoryJob:
        """Job of trajectory `index`, with the pixels of its task, which are read when None."""
        number, seed = divmod(index, self.config.n_seeds)
        task = self.tasks[number]
        if pixels is None:
            pixels = task_pixels(self.domains[task.set_name], task, self.config.max_images)
        return TrajectoryJob(task, seed, pixels)

    def jobs(self, manifest: Manifest) -> Iterator[ShardJob]:
        """Jobs of the shards that are not finished; pixels are read when a job is taken."""
        for shard in range(manifest.n_shards):
            if shard in manifest.shards:
                continue
            jobs: list[TrajectoryJob] = []
            for index in manifest.trajectories_of(shard):
                # Trajectories of one task share their pixels, in memory and on the way to a worker.
                last = jobs[-1] if jobs and index % self.config.n_seeds else None
                jobs.append(self.trajectory_job(index, last.pixels if last else None))
            yield ShardJob(shard, jobs)

    def class_sizes(self, task: Task) -> list[int]:
        """Images of each class of a task that the teacher sees."""
        domain = self.domains[task.set_name]
        sizes = dict(zip(domain.class_names, domain.class_sizes, strict=True))
        return [min(sizes[name], self.config.max_images) for name in task.class_names]


def make_plan(
    config: SimulationConfig, checkpoint: Path, data: Path, *, cache: Path, quiet: bool = False,
    backbone: Path | None = None,
) -> Plan:  # fmt: skip
    """Load the model, pack the images and draw the tasks.

    Args:
        config: The simulation.
        checkpoint: Model whose backbone is tuned.
        data: Folder of zips or set folders laid out as `CLASS/IMAGE`.
        cache: Folder for packed images.
        quiet: Show no progress bar.
        backbone: File with the backbone's weights, for a checkpoint that lacks them.

    Raises:
        CheckpointError: The checkpoint cannot be read.
        DataError: Too few images or classes.
    """
    model = load_checkpoint(checkpoint, backbone=backbone)
    rule = model.config.preprocessing
    domains = config.split.apply(
        pack_domains(data, rule, cache, size_px=round(rule.size_px * PACKED_SCALE), quiet=quiet)
    ).refinement
    if not domains:
        raise DataError(
            "the split leaves no classes for refinement; lower pretraining_share or name refinement_only sets"
        )
    return Plan(config, model, {domain.name: domain for domain in domains}, draw_tasks(domains, config.tasks))


def predict(plan: Plan, *, n_workers: int) -> Prediction:
    """Predict time and size: a few steps of the first task are run, and scaled by the images of all steps of all tasks.

    Args:
        plan: What will run.
        n_workers: How many jobs at the same time.

    Raises:
        TrainingError: The steps that were run are not finite.
    """
    config = plan.config
    images = [n_images_per_step(config.teacher, plan.class_sizes(task)) for task in plan.tasks]
    n_trajectories = len(plan.tasks) * config.n_seeds
    n_steps = sum(images) / images[0] * config.n_seeds * config.n_steps  # counted in steps of the first task
    cpu_seconds, seconds = (n_steps * measured for measured in _seconds_per_step(plan))
    n_values = n_trajectories * len(config.checkpoints) * len(plan.model.backbone.theta_0)
    return Prediction(
        trajectories=n_trajectories,
        shard_trajectories=config.shard_trajectories or _shard_size(plan, seconds / n_trajectories),
        storage_bytes=2 * n_values,
        cpu_hours=cpu_seconds / 3600,
        hours=seconds / 3600 / n_workers,
        n_workers=n_workers,
    )


def _seconds_per_step(plan: Plan) -> tuple[float, float]:
    """Processor time and time of a step of the first task; the second is longer on a busy machine."""
    job, n_steps = plan.trajectory_job(0), min(_TIMED_STEPS, plan.config.n_steps)
    with one_thread():
        simulate_trajectory(plan.model, plan.config, job, n_steps=1)  # the first step also sets the engine up
        cpu_began, began = time.process_time(), time.perf_counter()
        simulate_trajectory(plan.model, plan.config, job, n_steps=n_steps)
        return (time.process_time() - cpu_began) / n_steps, (time.perf_counter() - began) / n_steps


def _shard_size(plan: Plan, trajectory_seconds: float) -> int:
    """Trajectories of a shard: half a minute of work, or fewer where their pixels would fill the memory."""
    side_px = round(plan.model.config.preprocessing.size_px * PACKED_SCALE)
    most_images = max(sum(plan.class_sizes(task)) for task in plan.tasks)
    by_memory = _SHARD_BYTES // (most_images * side_px**2 * 3) * plan.config.n_seeds
    return max(1, min(int(_SHARD_SECONDS / trajectory_seconds), by_memory, len(plan.tasks) * plan.config.n_seeds))
