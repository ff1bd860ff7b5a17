"""A small residual network of plain 3x3 convolutions, built from operators that every engine fuses.

Residual blocks after He et al., "Deep Residual Learning for Image Recognition" (arXiv:1512.03385).
"""

from __future__ import annotations

import msgspec
import torch
from torch import nn

from hyperflow.errors import ConfigError

__all__ = ["ConvConfig", "ConvNet"]

_ROOT_OFFSET = 1e-4  # keeps the slope at 0 finite


class ConvConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="conv"):
    """Shape of a `ConvNet`.

    Attributes:
        widths: Channels of each stage; every stage after the first halves the resolution.
        feature_width: Channels of a 1x1 convolution after the last stage, which are the features; 0 leaves it out, and
            the features are the last stage's channels.
        feature_root: Take the square root of each feature, so that a few strong ones do not decide every cosine.

    Raises:
        ConfigError: No stage, or a width below 8.
    """

    widths: tuple[int, ...] = (48, 96, 192, 384)
    feature_width: int = 0
    feature_root: bool = False

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths) < 8:
            raise ConfigError(f"widths must be one or more numbers of at least 8, got {self.widths}")
        if self.feature_width and self.feature_width < 8:
            raise ConfigError(f"feature_width must be 0 or at least 8, got {self.feature_width}")


def _conv_norm(n_in: int, n_out: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out))


class _ResidualBlock(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first = _conv_norm(n_in, n_out, stride=stride)
        self.second = _conv_norm(n_out, n_out)
        same_shape = n_in == n_out and stride == 1
        self.shortcut = nn.Identity() if same_shape else _conv_norm(n_in, n_out, kernel=1, stride=stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


class ConvNet(nn.Module):
    """Images (B, 3, H, W) to features (B, feature_dim).

    A strided stem, one residual block a stage, perhaps a 1x1 convolution to wider features, and the global mean.
    """

    def __init__(self, config: ConvConfig) -> None:
        """Build the network with fresh weights."""
        super().__init__()
        first = config.widths[0]
        self.stem = _conv_norm(3, first, stride=2)
        pairs = zip((first, *config.widths[:-1]), config.widths, strict=True)
        self.stages = nn.Sequential(
            *(_ResidualBlock(n_in, n_out, stride=1 if index == 0 else 2) for index, (n_in, n_out) in enumerate(pairs))
        )
        last, wide = config.widths[-1], config.feature_width
        self.features = nn.Sequential(*_conv_norm(last, wide, kernel=1), nn.ReLU()) if wide else nn.Identity()
        self.feature_dim, self.feature_root = wide or last, config.feature_root

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute features, (B, feature_dim), all at least 0."""
        channels: torch.Tensor = self.features(self.stages(torch.relu(self.stem(images))))
        features = channels.mean(dim=(2, 3))
        return (features + _ROOT_OFFSET).sqrt() if self.feature_root else features
