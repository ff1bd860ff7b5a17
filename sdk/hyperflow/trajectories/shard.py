"""One shard of a trajectory store: how it is encoded, and what it must be to be believed.

Kept are changes of theta in units, as fp16: changes are small beside theta, so a theta in fp16 would round most of
them away, while a change keeps three digits. Twice the trajectories fit than in fp32.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save

from hyperflow.errors import TrainingError
from hyperflow.trajectories.manifest import Manifest

__all__ = ["decode_shard", "encode_shard", "read_row", "read_shard", "shard_name"]

_TENSOR = "changes"


def shard_name(shard: int) -> str:
    """File name of a shard."""
    return f"shard-{shard:06}.safetensors"


def encode_shard(changes: torch.Tensor) -> bytes:
    """Encode changes in units, (n, T + 1, P).

    Raises:
        TrainingError: A change that fp16 cannot hold.
    """
    half = changes.half()
    if not torch.isfinite(half).all():
        most = changes.abs().max().item()
        raise TrainingError(f"a change of {most} units does not fit into fp16; lower the learning rate or the noise")
    return save({_TENSOR: half.contiguous()})


def decode_shard(content: bytes) -> torch.Tensor:
    """Decode what `encode_shard` gave: fp16, (n, T + 1, P).

    Raises:
        ValueError: Not a shard.
    """
    try:
        return load(content)[_TENSOR]
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"not a shard ({error})") from error


def read_shard(folder: Path, manifest: Manifest, shard: int) -> torch.Tensor:
    """Read a finished shard and check it against the manifest.

    Returns:
        fp16, (n, T + 1, P), all finite.

    Raises:
        TrainingError: Missing, changed, or not of the shape that the manifest gives; says which file.
    """
    path, entry = folder / shard_name(shard), manifest.shards[shard]

    def refused(reason: str) -> TrainingError:
        return TrainingError(
            f"{path} {reason}; delete it and run hyperflow simulate with --resume: it alone is made again"
        )

    try:
        size = path.stat().st_size
        if size != entry.size_bytes:
            raise refused(f"has {size} bytes, expected {entry.size_bytes}")
        content = path.read_bytes()
    except OSError as error:
        raise refused(f"cannot be read ({error})") from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise refused("is not the file that was written (sha256 differs)")
    try:
        changes = decode_shard(content)
    except ValueError as error:
        raise refused(f"is {error}") from error
    shape = (len(manifest.trajectories_of(shard)), len(manifest.config.checkpoints), manifest.n_parameters)
    if changes.dtype != torch.float16 or tuple(changes.shape) != shape:
        raise refused(f"holds {changes.dtype} {tuple(changes.shape)}, expected torch.float16 {shape}")
    if not torch.isfinite(changes).all():
        raise refused("holds NaN or infinity")
    return changes


def read_row(path: Path, row: int) -> torch.Tensor:
    """Read one trajectory of a shard that `read_shard` has checked, and nothing else of it: fp16, (T + 1, P).

    Raises:
        TrainingError: The file is gone.
    """
    try:
        with safe_open(path, framework="pt") as file:
            changes: torch.Tensor = file.get_slice(_TENSOR)[row]
            return changes
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{path} could be read before and cannot now ({error}); is its disk still there?"
        ) from error
