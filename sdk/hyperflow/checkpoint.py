"""Checkpoints: a folder with `config.json` and `model.safetensors`. No pickle, nothing that runs on loading.

A checkpoint whose configuration names a `backbone_source` holds the drift network alone. The user brings the backbone's
public weights; theta_0 and the units follow from them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from hyperflow.adapted.low_rank import LowRank
from hyperflow.backbones.backbone_source import BackboneSource
from hyperflow.backbones.brought import brought_network
from hyperflow.backbones.weight_arrays import Arrays, read_weight_arrays
from hyperflow.errors import CheckpointError, HyperflowError
from hyperflow.model import HyperFlow, ModelConfig

__all__ = ["load_checkpoint", "read_config", "save_checkpoint"]

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"


def drift_names(model: HyperFlow) -> set[str]:
    """Name the tensors that do not follow from the backbone's weights: what a checkpoint without it holds."""
    drawn = {
        f"backbone.network.{name}.down"
        for name, module in model.backbone.network.named_modules()
        if isinstance(module, LowRank)
    }
    return {name for name in model.state_dict() if not name.startswith("backbone.") or name in drawn}


def save_checkpoint(
    model: HyperFlow, folder: Path, *, half: bool = False, backbone_source: BackboneSource | None = None
) -> None:
    """Write a checkpoint; an older one in the same folder is replaced file by file, each whole.

    Args:
        model: What to save.
        folder: Made when absent.
        half: Store the weights as fp16, in half the space; they are loaded as fp32 again.
        backbone_source: Leave the backbone out, and write down where its weights come from. They have to be the
            model's own: `hyperflow.stripping` compares before it saves. None saves everything, also where the model
            was loaded with a backbone that was brought.

    Raises:
        ConfigError: The weights of such a backbone cannot be brought.
        CheckpointError: The folder cannot be written.
    """
    stored = msgspec.structs.replace(model.config, backbone_source=backbone_source)
    names = drift_names(model) if backbone_source is not None else set(model.state_dict())
    folder.mkdir(parents=True, exist_ok=True)
    # Frozen weights that theta overrides would be stored twice; they stay, so that the network is whole without theta.
    tensors = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in model.state_dict().items()
        if name in names
    }
    config = msgspec.json.format(msgspec.json.encode(stored), indent=2)
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


def _brought(folder: Path, config: ModelConfig, backbone: Path | Arrays | None, origin: str) -> nn.Module | None:
    """The backbone that the user brings, or None where the checkpoint has its own."""
    source = config.backbone_source
    if source is None:
        if backbone is not None:
            raise CheckpointError(
                f"{folder} holds its backbone's weights already; leave out --backbone (in Python: backbone)"
            )
        return None
    if backbone is None:
        raise CheckpointError(
            f"{folder} holds the drift network alone; bring the backbone, {source.advice}, "
            "and name the file with --backbone FILE (in Python: backbone=FILE)"
        )
    if isinstance(backbone, Path):
        return brought_network(config.backbone, source, read_weight_arrays(backbone), origin=str(backbone))
    return brought_network(config.backbone, source, backbone, origin=origin)


def load_checkpoint(
    folder: Path, *, backbone: Path | Arrays | None = None, origin: str = "the backbone's weights"
) -> HyperFlow:
    """Load a model in eval mode, on the CPU, in fp32.

    Args:
        folder: Holds `config.json` and `model.safetensors`.
        backbone: For a checkpoint that holds the drift network alone: the file with the backbone's public weights, as
            `hyperflow.backbones.weight_arrays.read_weight_arrays` takes it, or these weights as named arrays.
        origin: What such arrays were read from, for messages.

    Raises:
        CheckpointError: A file is missing or torn, tensors do not fit the configuration, a value is not finite, or the
            backbone has to be brought and is missing or another, or was brought for a checkpoint that has its own.
    """
    config = read_config(folder)
    network = _brought(folder, config, backbone, origin)
    model = HyperFlow(config, network)
    path = folder / WEIGHTS_NAME
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); copy the checkpoint again") from error
    state = model.state_dict()
    names = drift_names(model) if network is not None else set(state)
    expected = {name: state[name] for name in names}
    if missing := sorted(set(expected) ^ set(tensors)):
        raise CheckpointError(
            f"{path} does not fit its configuration: {len(missing)} names differ, first {missing[0]!r}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise CheckpointError(f"{path}: {name} is {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}")
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {name} holds NaN or infinity; take an earlier checkpoint")
    model.load_state_dict(state | {name: tensor.float() for name, tensor in tensors.items()})
    return model.eval()
