"""From a backbone's configuration to the network."""

from __future__ import annotations

from torch import nn

from hyperflow.backbones.conv import ConvConfig, ConvNet
from hyperflow.backbones.mobilenet_v2 import MobileNetV2, MobileNetV2Config

__all__ = ["BackboneConfig", "build_backbone"]

BackboneConfig = ConvConfig | MobileNetV2Config


def build_backbone(config: BackboneConfig) -> tuple[nn.Module, int]:
    """Build a network with fresh weights.

    Returns:
        The network, images (B, 3, H, W) to features (B, D), and D.
    """
    if isinstance(config, ConvConfig):
        conv = ConvNet(config)
        return conv, conv.feature_dim
    mobilenet = MobileNetV2(config)
    return mobilenet, mobilenet.feature_dim
