"""The natural unit of each coordinate of theta: a step of one size is then the same relative change in every layer."""

from __future__ import annotations

import torch
from torch import nn

from hyperflow.adapted.low_rank import LowRank
from hyperflow.adapted.subset import ThetaLayout

__all__ = ["units_of"]

_LEAST = 1e-3
_SHARE_OF_OUTPUT = 0.1


def _unit(module: nn.Module, leaf: str) -> torch.Tensor:
    if isinstance(module, LowRank):
        return module.base.weight.detach().abs().mean()
    own = module.get_parameter(leaf).detach().abs().mean()
    if leaf == "bias" and isinstance(module, nn.Linear | nn.Conv2d):
        row_length = module.weight.detach().flatten(1).norm(dim=1).mean()
        return torch.maximum(own, _SHARE_OF_OUTPUT * row_length)
    return own


def units_of(network: nn.Module, layout: ThetaLayout) -> torch.Tensor:
    """Measure every coordinate, (P,).

    - A scale or a shift after a normalisation: the mean magnitude of its tensor.
    - A bias of a linear layer or a convolution: the same, but at least a tenth of the mean length of the layer's weight
      rows, which is the deviation of its outputs when the inputs have variance 1. Many biases start at zero and have
      no magnitude of their own.
    - A low-rank change: the mean magnitude of the weights that it changes.

    No unit is below 1e-3.

    Args:
        network: The network that `layout` was made for.
        layout: Layout of theta.
    """
    units = []
    for slot in layout.slots:
        name, _, leaf = slot.name.rpartition(".")
        units.append(_unit(network.get_submodule(name), leaf).clamp(min=_LEAST).expand(slot.size))
    return torch.cat(units)
