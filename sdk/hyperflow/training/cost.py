"""What a training cost, over all its interruptions."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from hyperflow.trajectories.whole_file import replace_file

__all__ = ["COST_NAME", "Spent", "Trained", "TrainingCost", "write_cost"]

COST_NAME = "cost.json"


class Spent(msgspec.Struct, frozen=True):
    """Time in the steps and validations of a run.

    Attributes:
        cpu_seconds: Of this process, all its threads.
        seconds: On the clock.
    """

    cpu_seconds: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.cpu_seconds + other.cpu_seconds, self.seconds + other.seconds)


class TrainingCost(msgspec.Struct, frozen=True):
    """Offline cost of a training.

    Attributes:
        cpu_hours: Processor time of all workers.
        gpu_hours: Hours that GPUs were held; 0 without one.
        hours: On the clock.
        storage_bytes: Of the run's folder, states and logs included.
    """

    cpu_hours: float
    gpu_hours: float
    hours: float
    storage_bytes: int

    def __str__(self) -> str:
        gpu = f"{self.gpu_hours:.3g} GPU-hours" if self.gpu_hours else "no GPU"
        return f"{self.cpu_hours:.3g} CPU-hours, {gpu}, {self.hours:.3g} hours, {self.storage_bytes / 1e6:.1f} MB"


class Trained(NamedTuple):
    """Outcome of a training.

    Attributes:
        path: Folder of the checkpoint.
        cost: What it cost.
    """

    path: Path
    cost: TrainingCost


def write_cost(folder: Path, spent: Spent, *, n_workers: int = 1, on_gpu: bool = False) -> TrainingCost:
    """Write `cost.json` into a run's folder.

    Args:
        folder: Of the run.
        spent: Time of one worker.
        n_workers: Workers that each spent about as much.
        on_gpu: Whether each held a GPU.
    """
    storage = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    hours = spent.seconds / 3600
    cost = TrainingCost(
        cpu_hours=spent.cpu_seconds * n_workers / 3600,
        gpu_hours=hours * n_workers if on_gpu else 0.0,
        hours=hours,
        storage_bytes=storage,
    )
    replace_file(folder / COST_NAME, msgspec.json.format(msgspec.json.encode(cost), indent=2) + b"\n")
    return cost
