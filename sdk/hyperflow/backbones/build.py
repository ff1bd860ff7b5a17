"""From a backbone's configuration to the network."""

from __future__ import annotations

from torch import nn

from hyperflow.backbones.conv import ConvConfig, ConvNet
from hyperflow.backbones.hf_network import HfConfig, HfNetwork
from hyperflow.backbones.mobilenet_v2 import MobileNetV2, MobileNetV2Config
from hyperflow.backbones.timm_network import TimmConfig, TimmNetwork

__all__ = ["BackboneConfig", "build_backbone"]

BackboneConfig = ConvConfig | MobileNetV2Config | HfConfig | TimmConfig


def build_backbone(config: BackboneConfig) -> tuple[nn.Module, int]:
    """Build a network with fresh weights.

    Returns:
        The network, images (B, 3, H, W) to features (B, D), and D.

    Raises:
        ConfigError: The network's library is absent, or refuses the configuration.
        CheckpointError: `timm` does not know the name.
    """
    network: ConvNet | MobileNetV2 | HfNetwork | TimmNetwork
    if isinstance(config, ConvConfig):
        network = ConvNet(config)
    elif isinstance(config, MobileNetV2Config):
        network = MobileNetV2(config)
    elif isinstance(config, HfConfig):
        network = HfNetwork(config)
    else:
        network = TimmNetwork(config)
    return network, network.feature_dim
