"""MobileNetV2 without its classifier.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (arXiv:1801.04381), table 2.
Two public trainings differ in padding, in the epsilon of BatchNorm and in whether the first block expands.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import torch
from torch import nn
from torch.nn import functional

__all__ = ["MobileNetV2", "MobileNetV2Config"]

_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks and stride of each stage (the paper's t, c, n, s)."""


class MobileNetV2Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="mobilenet_v2"):
    """Which of the public variants to build.

    Attributes:
        padding: `symmetric`, or `tensorflow`: at stride 2 on even sizes only the bottom and the right are padded.
        expand_first: Whether the first block has a 1x1 convolution at expansion 1.
        norm_eps: Epsilon of BatchNorm.
    """

    padding: Literal["symmetric", "tensorflow"] = "symmetric"
    expand_first: bool = True
    norm_eps: float = 1e-5


class _Conv(nn.Sequential):
    """Convolution, BatchNorm and, unless linear, ReLU6."""

    def __init__(
        self, config: MobileNetV2Config, n_in: int, n_out: int, *, kernel: int = 1, stride: int = 1, groups: int = 1,
        linear: bool = False,
    ) -> None:  # fmt: skip
        pads_one_side = stride == 2 and config.padding == "tensorflow"
        conv = nn.Conv2d(n_in, n_out, kernel, stride, 0 if pads_one_side else kernel // 2, groups=groups, bias=False)
        layers: list[nn.Module] = [nn.ZeroPad2d((0, 1, 0, 1))] if pads_one_side else []
        layers += [conv, nn.BatchNorm2d(n_out, eps=config.norm_eps)]
        super().__init__(*layers, *([] if linear else [nn.ReLU6()]))


class _InvertedResidual(nn.Module):
    def __init__(
        self, config: MobileNetV2Config, n_in: int, n_out: int, *, expansion: int, stride: int, is_first: bool
    ) -> None:
        super().__init__()
        hidden = n_in * expansion
        layers = [] if is_first and not config.expand_first else [_Conv(config, n_in, hidden)]
        layers.append(_Conv(config, hidden, hidden, kernel=3, stride=stride, groups=hidden))
        layers.append(_Conv(config, hidden, n_out, linear=True))
        self.layers = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and n_in == n_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layers(x)
        return x + out if self.has_shortcut else out


class MobileNetV2(nn.Module):
    """Images (B, 3, H, W) to features (B, 1280); sides should be multiples of 32."""

    feature_dim = 1280

    def __init__(self, config: MobileNetV2Config) -> None:
        """Build the network with fresh weights."""
        super().__init__()
        blocks: list[nn.Module] = [_Conv(config, 3, 32, kernel=3, stride=2)]
        n_in = 32
        for expansion, n_out, n_blocks, first_stride in _STAGES:
            for index in range(n_blocks):
                stride = first_stride if index == 0 else 1
                blocks.append(
                    _InvertedResidual(
                        config, n_in, n_out, expansion=expansion, stride=stride, is_first=len(blocks) == 1
                    )
                )
                n_in = n_out
        blocks.append(_Conv(config, n_in, self.feature_dim))
        self.blocks = nn.Sequential(*blocks)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute features, (B, 1280), in 0..6."""
        return functional.adaptive_avg_pool2d(self.blocks(images), 1).flatten(1)
