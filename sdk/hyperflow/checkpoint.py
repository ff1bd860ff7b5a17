"""Checkpoints: a folder with `config.json` and `model.safetensors`. No pickle, nothing that runs on loading."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from hyperflow.errors import CheckpointError, HyperflowError
from hyperflow.model import HyperFlow, ModelConfig

__all__ = ["load_checkpoint", "save_checkpoint"]

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"


def save_checkpoint(model: HyperFlow, folder: Path, *, half: bool = False) -> None:
    """Write a checkpoint; an older one in the same folder is replaced file by file, each whole.

    Args:
        model: What to save.
        folder: Made when absent.
        half: Store the weights as fp16, in half the space; they are loaded as fp32 again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Frozen weights that theta overrides would be stored twice; they stay, so that the network is whole without theta.
    tensors = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in model.state_dict().items()
    }
    config = msgspec.json.format(msgspec.json.encode(model.config), indent=2)
    staging = Path(tempfile.mkdtemp(dir=folder, prefix=".saving-"))
    try:
        (staging / WEIGHTS_NAME).write_bytes(save(tensors))
        (staging / CONFIG_NAME).write_bytes(config + b"\n")
        for name in (WEIGHTS_NAME, CONFIG_NAME):
            os.replace(staging / name, folder / name)
    except OSError as error:
        raise CheckpointError(
            f"cannot write the checkpoint {folder} ({error}); free some space and save again"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def read_config(folder: Path) -> ModelConfig:
    """Read the configuration of a checkpoint.

    Raises:
        CheckpointError: Missing, or not what a checkpoint's configuration looks like.
    """
    path = folder / CONFIG_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=ModelConfig)
    except OSError as error:
        raise CheckpointError(f"no checkpoint at {folder}: {CONFIG_NAME} cannot be read ({error})") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, HyperflowError) as error:
        raise CheckpointError(f"{path} is not a checkpoint configuration ({error})") from error


def load_checkpoint(folder: Path) -> HyperFlow:
    """Load a model in eval mode, on the CPU, in fp32.

    Args:
        folder: Holds `config.json` and `model.safetensors`.

    Raises:
        CheckpointError: A file is missing or torn, tensors do not fit the configuration, or a value is not finite.
    """
    model = HyperFlow(read_config(folder))
    path = folder / WEIGHTS_NAME
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); copy the checkpoint again") from error
    expected = model.state_dict()
    if missing := sorted(set(expected) ^ set(tensors)):
        raise CheckpointError(
            f"{path} does not fit its configuration: {len(missing)} names differ, first {missing[0]!r}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(f"{path}: {name} is {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}")
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {name} holds NaN or infinity; take an earlier checkpoint")
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return model.eval()
