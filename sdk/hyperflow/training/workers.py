"""Several processes that train one drift network together, as `torchrun` starts them.

Each takes its own episodes; gradients are averaged before every step, so all hold the same weights. Only the first
writes files.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import distributed, nn

from hyperflow.errors import TrainingError

__all__ = ["Workers", "choose_device", "join_workers"]

_TIMEOUT = datetime.timedelta(hours=2)  # the first worker validates and writes while the others wait


@dataclass(frozen=True)
class Workers:
    """This process's place among the workers.

    Attributes:
        rank: 0..size-1.
        size: Number of workers.
        device: Where this one computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this worker writes the files."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over the workers."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.size
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, part in zip(gradients, torch.split(flat, sizes), strict=True):
            gradient.copy_(part.view_as(gradient))

    def agree(self, value: float) -> float:
        """Return the first worker's value to all."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, src=0)
        return float(shared.item())

    def leave(self) -> None:
        """End the group."""
        if self.size > 1 and distributed.is_initialized():
            distributed.destroy_process_group()


def choose_device(name: str) -> torch.device:
    """Say where to compute.

    Args:
        name: `auto`, `cpu` or `cuda`.

    Raises:
        TrainingError: A device that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        if not torch.cuda.is_available():
            raise TrainingError("device 'cuda' was asked for, but torch sees none; use --device cpu or auto")
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def join_workers(device: str = "auto") -> Workers:
    """Join the group that `torchrun` announces in the environment, or be the only worker.

    Args:
        device: `auto`, `cpu` or `cuda`.

    Raises:
        TrainingError: A device that is not there.
    """
    chosen = choose_device(device)
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1:
        backend = "nccl" if chosen.type == "cuda" else "gloo"
        distributed.init_process_group(backend, timeout=_TIMEOUT)
    return Workers(int(os.environ.get("RANK", "0")) if size > 1 else 0, size, chosen)
