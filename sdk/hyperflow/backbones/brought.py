"""A backbone whose weights the user brings: checked against their hash, then built."""

from __future__ import annotations

from torch import nn

from hyperflow.backbones.backbone_source import BackboneSource
from hyperflow.backbones.build import BackboneConfig
from hyperflow.backbones.mobilenet_v2 import MobileNetV2Config
from hyperflow.backbones.mobilenet_v2_weights import mobilenet_v2_arrays, mobilenet_v2_of
from hyperflow.backbones.weight_arrays import Arrays, weights_sha256
from hyperflow.errors import CheckpointError

__all__ = ["brought_network", "brought_sha256", "can_be_brought"]


def can_be_brought(config: BackboneConfig) -> bool:
    """Tell whether the weights of such a backbone are published as arrays that can be read."""
    return isinstance(config, MobileNetV2Config)


def brought_sha256(arrays: Arrays, *, origin: str = "the weights") -> str:
    """Hash of those of the arrays that a network is made of.

    Raises:
        CheckpointError: An array is missing, or holds no floats.
    """
    return weights_sha256(mobilenet_v2_arrays(arrays, origin=origin))


def brought_network(
    config: BackboneConfig, source: BackboneSource, arrays: Arrays, *, origin: str = "the weights"
) -> nn.Module:
    """Build a backbone around the weights that were brought.

    Args:
        config: Which backbone; one that `can_be_brought`.
        source: What the weights have to be.
        arrays: Under their published names; more than the network needs does no harm.
        origin: What they were read from, for messages.

    Returns:
        The network in eval mode, BatchNorm and all.

    Raises:
        CheckpointError: Arrays are missing, are other weights than those of `source`, or do not fit `config`.
    """
    try:
        found = brought_sha256(arrays, origin=origin)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; bring {source.advice}") from error
    if found != source.weights_sha256:
        raise CheckpointError(
            f"{origin}: not the backbone that this checkpoint was trained on; the weights hash to {found}, "
            f"expected {source.weights_sha256}; bring {source.advice}"
        )
    brought = mobilenet_v2_of(arrays, origin=origin)
    if brought.config != config:
        raise CheckpointError(f"{origin}: the weights are for {brought.config}, but the checkpoint is for {config}")
    return brought.network
