"""Low-rank changes of linear layers and 1x1 convolutions.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv:2106.09685), with the inner matrix random and
frozen as in Zhang et al., "LoRA-FA" (arXiv:2308.03303): theta then enters linearly and is half as long. The change is a
branch of its own, so that the kernels stay constants of the exported graph.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

__all__ = ["LowRank", "LowRankConv", "LowRankLinear", "can_be_low_rank", "low_rank_of"]


class LowRank(nn.Module):
    """A frozen layer W plus the change `up @ down`; `up` starts at zero and adapts.

    Attributes:
        base: The frozen layer.
        up: (n_out, rank), zero.
        down: (rank, n_in), random and frozen, of variance 1 / rank: where every `up` is one unit, the change has the
            magnitude of that unit.
    """

    down: torch.Tensor

    def __init__(self, base: nn.Linear | nn.Conv2d, rank: int) -> None:
        """Wrap `base`, which is kept, not copied.

        Args:
            base: A layer that `can_be_low_rank`.
            rank: Rank of the change.
        """
        super().__init__()
        n_out, n_in = base.weight.shape[:2]
        self.base = base
        self.up = nn.Parameter(torch.zeros(n_out, rank))
        self.register_buffer("down", torch.randn(rank, n_in) * rank**-0.5)


class LowRankLinear(LowRank):
    """A linear layer with a low-rank change."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute (..., n_out) from (..., n_in)."""
        changed: torch.Tensor = self.base(x) + (x @ self.down.T) @ self.up.T
        return changed


class LowRankConv(LowRank):
    """A 1x1 convolution with a low-rank change."""

    base: nn.Conv2d

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute (B, n_out, H', W') from (B, n_in, H, W)."""
        out: torch.Tensor = self.base(x)
        inner = functional.conv2d(x, self.down[:, :, None, None], stride=self.base.stride)
        return out + (self.up @ inner.flatten(2)).view_as(out)


def can_be_low_rank(module: nn.Module) -> bool:
    """Tell whether a layer is one matrix. Subclasses do more than their name says, so they are left alone."""
    if type(module) is nn.Conv2d:
        return module.kernel_size == (1, 1) and module.groups == 1 and module.padding == (0, 0)
    return type(module) is nn.Linear


def low_rank_of(module: nn.Module, rank: int) -> LowRank:
    """Wrap a layer that `can_be_low_rank`."""
    if isinstance(module, nn.Conv2d):
        return LowRankConv(module, rank)
    if isinstance(module, nn.Linear):
        return LowRankLinear(module, rank)
    raise TypeError(f"{type(module).__name__} is no linear layer or 1x1 convolution")
