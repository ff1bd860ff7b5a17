"""From a checkpoint to a smaller one whose drift field keeps only the directions that it uses."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hyperflow.checkpoint import load_checkpoint, save_checkpoint
from hyperflow.drift.compression import compressed_config, compressed_state, output_strengths
from hyperflow.errors import CheckpointError
from hyperflow.model import HyperFlow

__all__ = ["compress_checkpoint", "compressed_model", "kept_share"]


def kept_share(model: HyperFlow, rank: int) -> float:
    """Share of the squared size of the field's output matrix that its strongest `rank` directions hold, in 0..1."""
    strengths = output_strengths(model.field)
    return float(strengths[:rank].sum() / strengths.sum()) if strengths.sum() > 0 else 1.0


def compressed_model(model: HyperFlow, rank: int) -> HyperFlow:
    """Copy a model with a drift field of fewer directions.

    Args:
        model: Not changed.
        rank: Directions to keep; all that the field has loses nothing.

    Raises:
        ConfigError: As `compressed_config`.
    """
    drift = compressed_config(model.config.drift, rank)
    small = HyperFlow(msgspec.structs.replace(model.config, drift=drift))
    field = {f"field.{name}": value for name, value in compressed_state(model.field, rank).items()}
    others = {name: value for name, value in model.state_dict().items() if not name.startswith("field.")}
    small.load_state_dict(others | field)
    return small.eval()


def compress_checkpoint(checkpoint: Path, out: Path, rank: int, *, half: bool = False) -> float:
    """Write a copy of a checkpoint with a drift field of fewer directions.

    Args:
        checkpoint: Holds its backbone; it is left as it is.
        out: Another folder; a checkpoint in it is replaced.
        rank: Directions to keep.
        half: Store the weights as fp16.

    Returns:
        `kept_share`.

    Raises:
        CheckpointError: It cannot be read, or `out` is the checkpoint itself.
        ConfigError: As `compressed_config`.
    """
    if out.exists() and out.samefile(checkpoint):
        raise CheckpointError(f"{out} is the checkpoint itself; name another folder")
    model = load_checkpoint(checkpoint)
    save_checkpoint(compressed_model(model, rank), out, half=half)
    return kept_share(model, rank)
