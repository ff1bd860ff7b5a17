"""From a whole checkpoint to one that holds the drift network alone, for backbones with public weights."""

from __future__ import annotations

from pathlib import Path

import torch

from hyperflow.backbones.backbone_source import PUBLIC_SOURCES, BackboneSource
from hyperflow.backbones.brought import brought_network, brought_sha256, can_be_brought
from hyperflow.backbones.weight_arrays import read_weight_arrays
from hyperflow.checkpoint import drift_names, load_checkpoint, read_config, save_checkpoint
from hyperflow.errors import CheckpointError, ConfigError
from hyperflow.model import HyperFlow

__all__ = ["source_of", "strip_checkpoint"]

_RELATIVE, _ABSOLUTE = 1e-3, 1e-6  # wider than what fp16 storage rounds


def source_of(
    weights_sha256: str, *, file_name: str, where: str | None = None, licence: str | None = None
) -> BackboneSource:
    """Describe where weights come from.

    Args:
        weights_sha256: Of the weights.
        file_name: Name of their file, where it is not one of `PUBLIC_SOURCES`.
        where: Address, or words that lead there; must be given for files that are not of `PUBLIC_SOURCES`.
        licence: Likewise.

    Raises:
        ConfigError: The file is not known, and `where` or `licence` was not given.
    """
    if where is None and licence is None:
        for source in PUBLIC_SOURCES:
            if source.weights_sha256 == weights_sha256:
                return source
    if where is None or licence is None:
        raise ConfigError(
            f"{file_name} is not one of the public files known here; say where others get it, and its licence "
            "(--where and --licence)"
        )
    return BackboneSource(file_name, where, licence, weights_sha256)


def _check_same(checkpoint: Path, backbone: Path, own: HyperFlow, brought: HyperFlow) -> None:
    """Make sure that nothing of a backbone is lost when it is built anew from the public weights."""
    ours, theirs = own.state_dict(), brought.state_dict()
    for name in sorted(set(ours) - drift_names(own)):
        tensor = ours[name]
        if not torch.allclose(tensor, theirs[name], rtol=_RELATIVE, atol=_ABSOLUTE):
            gap = float((tensor - theirs[name]).abs().max())
            raise CheckpointError(
                f"the backbone of {checkpoint} is not that of {backbone} ({name} differs by {gap:.2g}); name the file "
                "it was started from, or leave the checkpoint whole"
            )


def strip_checkpoint(
    checkpoint: Path, backbone: Path, out: Path, *, half: bool = False, where: str | None = None,
    licence: str | None = None,
) -> BackboneSource:  # fmt: skip
    """Write a copy of a checkpoint without the backbone's weights.

    Args:
        checkpoint: A whole checkpoint; it is left as it is.
        backbone: The public file that its backbone was started from, as `read_weight_arrays` takes it.
        out: Another folder; a checkpoint in it is replaced.
        half: Store the drift network as fp16.
        where: Where others get the file; known for those of `PUBLIC_SOURCES`.
        licence: Licence of the backbone's weights, likewise.

    Returns:
        What the user of the new checkpoint has to bring.

    Raises:
        ConfigError: The file is not known, and `where` or `licence` was not given.
        CheckpointError: A file cannot be read, the checkpoint has no backbone that can be brought, or another one.
    """
    config = read_config(checkpoint)
    if config.backbone_source is not None:
        raise CheckpointError(f"{checkpoint} holds the drift network alone already")
    if not can_be_brought(config.backbone):
        raise CheckpointError(
            f"the backbone of {checkpoint} is {config.backbone}; only mobilenet_v2 can be left out, "
            "whose weights are public arrays"
        )
    if out.exists() and out.samefile(checkpoint):
        raise CheckpointError(f"{out} is the checkpoint itself, whose backbone would be lost; name another folder")
    arrays = read_weight_arrays(backbone)
    digest = brought_sha256(arrays, origin=str(backbone))
    source = source_of(digest, file_name=backbone.name, where=where, licence=licence)
    model = load_checkpoint(checkpoint)
    network = brought_network(config.backbone, source, arrays, origin=str(backbone))
    _check_same(checkpoint, backbone, model, HyperFlow(config, network))
    save_checkpoint(model, out, half=half, backbone_source=source)
    return source
