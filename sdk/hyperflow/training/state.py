"""State of an interrupted run, as named tensors in one safetensors file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hyperflow.errors import TrainingError

__all__ = ["load_optimizer", "load_state", "optimizer_tensors", "save_state"]


def save_state(path: Path, tensors: Mapping[str, torch.Tensor], step: int) -> None:
    """Write the state after `step` steps; the old file stays until the new one is whole."""
    partial = path.with_suffix(".partial")
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, partial, {"step": str(step)})
    os.replace(partial, path)


def load_state(path: Path) -> tuple[dict[str, torch.Tensor], int]:
    """Read what `save_state` wrote.

    Returns:
        The tensors and the number of steps done.

    Raises:
        TrainingError: Missing or torn.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, int(file.metadata()["step"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"cannot resume from {path} ({error}); start again without --resume") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Flatten the moments of an optimiser into named tensors."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{index}.{key}": torch.as_tensor(value)
        for index, item in state.items()
        for key, value in item.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put back what `optimizer_tensors` gave; the learning rate stays the optimiser's own."""
    whole = optimizer.state_dict()
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    whole["state"] = state
    optimizer.load_state_dict(whole)
