"""The work itself: one shard's trajectories from pixels to bytes, the same bytes on whatever worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hyperflow.errors import TrainingError
from hyperflow.images.packed import PackedSet
from hyperflow.model import HyperFlow
from hyperflow.teacher.descent import descend
from hyperflow.teacher.tasks import Task
from hyperflow.teacher.tunable import tunable_of
from hyperflow.teacher.whole_class import batches_of
from hyperflow.trajectories.config import SimulationConfig
from hyperflow.trajectories.shard import encode_shard

__all__ = ["ShardJob", "ShardResult", "TrajectoryJob", "one_thread", "run_shard", "simulate_trajectory", "task_pixels"]


@dataclass(frozen=True)
class TrajectoryJob:
    """One trajectory to simulate; holds all that a worker without the images needs.

    Attributes:
        task: Its task.
        seed: Which of the task's trajectories; 0 starts at theta_0.
        pixels: RGB images of each class, uint8, (n, side, side, 3).
    """

    task: Task
    seed: int
    pixels: list[NDArray[np.uint8]]


@dataclass(frozen=True)
class ShardJob:
    """The trajectories of one shard.

    Attributes:
        shard: Its number.
        trajectories: In the order of the shard.
    """

    shard: int
    trajectories: list[TrajectoryJob]


@dataclass(frozen=True)
class ShardResult:
    """A finished shard.

    Attributes:
        shard: Its number.
        content: The file.
        cpu_seconds: Processor time it took.
    """

    shard: int
    content: bytes
    cpu_seconds: float


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: sums are then added up in one order, whatever machine or number of workers."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def task_pixels(domain: PackedSet, task: Task, max_images: int) -> list[NDArray[np.uint8]]:
    """Pixels of the classes of a task, at most `max_images` of each, the same for all trajectories of the task."""
    ends = np.cumsum(domain.class_sizes)
    rng = np.random.default_rng([task.seed, max_images])
    pixels = []
    for name in task.class_names:
        c = domain.class_names.index(name)
        n_images = domain.class_sizes[c]
        picked = np.sort(rng.permutation(n_images)[:max_images])
        pixels.append(domain.images_rgb(ends[c] - n_images + picked))
    return pixels


def simulate_trajectory(
    model: HyperFlow, config: SimulationConfig, job: TrajectoryJob, *, n_steps: int | None = None
) -> torch.Tensor:
    """Simulate one trajectory; all its chance comes from its task's seed and its own.

    Args:
        model: Whose backbone is tuned.
        config: How.
        job: What.
        n_steps: Stop earlier, to measure the time.

    Returns:
        Changes in units at the checkpoints that were reached, (T + 1, P).

    Raises:
        DataError: A class with fewer than two images.
        TrainingError: A loss or a change that is not finite; names the task and the step.
    """
    rng = np.random.default_rng([job.task.seed, job.seed])
    tunable = tunable_of(model, "subset")
    noise = rng.standard_normal(len(tunable.start), dtype=np.float32) * np.float32(config.noise)
    start = torch.from_numpy(noise if job.seed else np.zeros_like(noise))
    draw = batches_of(config.teacher, job.pixels, model.config.preprocessing, rng)
    try:
        descended = descend(
            tunable,
            draw,
            n_steps=config.n_steps if n_steps is None else n_steps,
            learning_rate=config.learning_rate,
            logit_scale=config.logit_scale or model.config.device.logit_scale,
            start=start,
            checkpoints=config.checkpoints,
        )
    except TrainingError as error:
        raise TrainingError(
            f"seed {job.seed} of the task {', '.join(job.task.class_names)} of {job.task.set_name}: {error}"
        ) from error
    return torch.stack(list(descended.checkpoints.values()))


def run_shard(model: HyperFlow, config: SimulationConfig, job: ShardJob) -> ShardResult:
    """Simulate all trajectories of a shard.

    Raises:
        DataError: A class with fewer than two images.
        TrainingError: A trajectory that is not finite, or that fp16 cannot hold.
    """
    began = time.process_time()
    with one_thread():
        changes = torch.stack([simulate_trajectory(model, config, one) for one in job.trajectories])
    return ShardResult(job.shard, encode_shard(changes), time.process_time() - began)
