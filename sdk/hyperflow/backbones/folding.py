"""BatchNorm folded into one multiply-add a channel, so that the adapted subset is plain scales and shifts.

Dumoulin et al., "Feature-wise transformations" (Distill 2018), call this modulation FiLM.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

from hyperflow.errors import ConfigError

__all__ = ["ChannelAffine", "fold_batch_norms"]


class ChannelAffine(nn.Module):
    """`x * scale + shift` for every channel of (B, C, H, W)."""

    def __init__(self, n_channels: int) -> None:
        """Start as the identity."""
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_channels))
        self.shift = nn.Parameter(torch.zeros(n_channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the multiply-add; the shape stays."""
        return x * self.scale.view(1, -1, 1, 1) + self.shift.view(1, -1, 1, 1)


def _folded(norm: nn.BatchNorm2d) -> ChannelAffine:
    if norm.running_mean is None or norm.running_var is None:
        raise ConfigError("a BatchNorm without running statistics cannot be folded; train with track_running_stats")
    affine = ChannelAffine(norm.num_features)
    scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    affine.scale.data.copy_(scale)
    affine.shift.data.copy_(norm.bias.detach() - norm.running_mean * scale)
    return affine


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Replace every BatchNorm2d of a network by the multiply-add it is in eval mode.

    Args:
        network: Any module. Not changed.

    Returns:
        A copy in eval mode that computes the same function.
    """
    network = copy.deepcopy(network).eval()
    norms = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    for name, norm in norms:
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, _folded(norm))
    return network
