"""One word for every backbone: `conv`, `mobilenet_v2:FILE.npz`, `hf:FOLDER_OR_NAME`, `timm:NAME`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from hyperflow.backbones.build import BackboneConfig
from hyperflow.backbones.conv import ConvConfig, ConvNet
from hyperflow.backbones.families import Pooling
from hyperflow.backbones.hf_loading import load_hf
from hyperflow.backbones.mobilenet_v2_weights import load_mobilenet_v2
from hyperflow.backbones.timm_network import load_timm
from hyperflow.errors import ConfigError
from hyperflow.images.preprocessing import Preprocessing

__all__ = ["OpenedBackbone", "open_backbone"]

_KINDS = "conv[:WIDTHS], mobilenet_v2:FILE.npz, hf:FOLDER_OR_NAME, timm:NAME"
_CONV_PX, _MOBILENET_PX, _MOBILENET_STRIDE = 64, 224, 32


@dataclass(frozen=True)
class OpenedBackbone:
    """A network and all that rebuilds and feeds it.

    Attributes:
        network: Images (B, 3, H, W) to features (B, D), in eval mode.
        config: For `build_backbone`.
        preprocessing: How its images are prepared.
    """

    network: nn.Module
    config: BackboneConfig
    preprocessing: Preprocessing


def _open_conv(widths: str, size_px: int | None) -> OpenedBackbone:
    try:
        config = ConvConfig(tuple(int(width) for width in widths.split(","))) if widths else ConvConfig()
    except ValueError as error:
        raise ConfigError(f"widths must be numbers with commas, such as conv:48,96,192, got {widths[:80]!r}") from error
    return OpenedBackbone(ConvNet(config).eval(), config, Preprocessing(size_px or _CONV_PX))


def _open_mobilenet_v2(path: str, size_px: int | None) -> OpenedBackbone:
    side = size_px or _MOBILENET_PX
    if side % _MOBILENET_STRIDE:
        raise ConfigError(f"size_px must be a multiple of {_MOBILENET_STRIDE} for mobilenet_v2, got {side}")
    loaded = load_mobilenet_v2(Path(path).expanduser(), size_px=side)
    return OpenedBackbone(loaded.network, loaded.config, loaded.preprocessing)


def open_backbone(spec: str, size_px: int | None = None, *, pooling: Pooling | None = None) -> OpenedBackbone:
    """Open a backbone by one word.

    Args:
        spec: `conv` or `conv:48,96,192` (random weights), `mobilenet_v2:FILE.npz`, `hf:FOLDER`, `hf:NAME_ON_THE_HUB` or
            `timm:NAME`.
        size_px: Side of the input images; by default the one the weights were trained at.
        pooling: From outputs to one feature, for `hf` alone; by default what the network's family uses.

    Raises:
        ConfigError: An unknown kind, a size or pooling that does not fit it, or a library that is absent.
        CheckpointError: Weights that cannot be read or do not fit.
    """
    kind, _, rest = spec.partition(":")
    if pooling is not None and kind != "hf":
        raise ConfigError(f"pooling is chosen for hf backbones alone; {kind[:40]} has one way only")
    if kind == "conv":
        return _open_conv(rest, size_px)
    if not rest or kind not in ("mobilenet_v2", "hf", "timm"):
        raise ConfigError(f"backbone must be one of {_KINDS}, got {spec[:120]!r}")
    if kind == "mobilenet_v2":
        return _open_mobilenet_v2(rest, size_px)
    if kind == "hf":
        loaded = load_hf(rest, size_px=size_px, pooling=pooling)
        return OpenedBackbone(loaded.network, loaded.config, loaded.preprocessing)
    network, config, preprocessing = load_timm(rest, size_px=size_px)
    return OpenedBackbone(network, config, preprocessing)
