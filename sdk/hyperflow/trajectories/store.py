"""Reading simulated trajectories for training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from hyperflow.errors import TrainingError
from hyperflow.model import HyperFlow
from hyperflow.teacher.interpolation import Trajectory
from hyperflow.trajectories.fingerprint import backbone_sha256
from hyperflow.trajectories.manifest import Manifest, read_manifest
from hyperflow.trajectories.shard import read_row, read_shard, shard_name

__all__ = ["TrajectoryRecord", "TrajectoryStore", "open_trajectories"]


@dataclass(frozen=True)
class TrajectoryRecord:
    """Where a trajectory comes from.

    Attributes:
        task: Number of its task.
        set_name: Image set of the task.
        class_names: Classes of the task, in the order of its labels.
        task_seed: Seed of the task.
        seed: Which of the task's trajectories, 0..n_seeds-1; 0 starts at theta_0.
    """

    task: int
    set_name: str
    class_names: tuple[str, ...]
    task_seed: int
    seed: int


class TrajectoryStore:
    """A finished, checked store.

    Attributes:
        manifest: What was simulated.
        times: When each kept point was reached, rising from 0 to 1, (T + 1,).
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Wrap a folder whose shards were checked; use `open_trajectories` instead."""
        self.manifest = manifest
        self._folder = folder
        steps = torch.tensor(manifest.config.checkpoints, dtype=torch.float32)
        self.times = steps / steps[-1]

    def __len__(self) -> int:
        """Number of trajectories."""
        return self.manifest.n_trajectories

    def task(self, index: int) -> TrajectoryRecord:
        """Where trajectory `index` comes from.

        Raises:
            IndexError: No such trajectory.
        """
        self._check(index)
        number, seed = divmod(index, self.manifest.config.n_seeds)
        task = self.manifest.tasks[number]
        return TrajectoryRecord(number, task.set_name, task.class_names, task.seed, seed)

    def points(self, index: int) -> torch.Tensor:
        """Changes of theta in units, at `times`; float32, (T + 1, P).

        Raises:
            IndexError: No such trajectory.
            TrainingError: The shard is gone.
        """
        self._check(index)
        shard, row = divmod(index, self.manifest.shard_trajectories)
        return read_row(self._folder / shard_name(shard), row).float()

    def trajectory(self, index: int) -> Trajectory:
        """Points and times together, for `hyperflow.teacher.interpolation`.

        Raises:
            IndexError: No such trajectory.
        """
        return Trajectory(self.points(index), self.times)

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"trajectory {index} of {len(self)}")


def open_trajectories(folder: Path, model: HyperFlow) -> TrajectoryStore:
    """Open a store and check all of it: complete, unchanged since it was written, finite, and of this backbone.

    Args:
        folder: What `hyperflow simulate --out` named.
        model: Model whose drift is to follow the trajectories.

    Raises:
        TrainingError: Not a store, unfinished, of another backbone, or a shard that is missing or changed.
    """
    manifest = read_manifest(folder)
    found = backbone_sha256(model)
    if manifest.backbone_sha256 != found:
        raise TrainingError(
            f"{folder} was simulated with backbone {manifest.backbone_sha256[:12]}, but this checkpoint has "
            f"{found[:12]}; train the checkpoint that was simulated, or simulate this one"
        )
    if manifest.n_parameters != len(model.backbone.theta_0):
        raise TrainingError(
            f"{folder} has {manifest.n_parameters} parameters a point, the model {len(model.backbone.theta_0)}"
        )
    if missing := [shard for shard in range(manifest.n_shards) if shard not in manifest.shards]:
        raise TrainingError(
            f"{folder} holds {manifest.n_shards - len(missing)} of {manifest.n_shards} shards; "
            "finish it with hyperflow simulate --resume"
        )
    for shard in range(manifest.n_shards):
        read_shard(folder, manifest, shard)
    return TrajectoryStore(folder, manifest)
