"""The adapted subset: the rule that names it and the flat vector theta that holds it.

This is the one place that defines a subset; a checkpoint stores the rule, and a bundle the layout that follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from hyperflow.backbones.folding import ChannelAffine
from hyperflow.errors import ConfigError

__all__ = ["Slot", "SubsetRule", "ThetaLayout", "layout_of"]

SubsetRule = Literal["affine", "shift", "bias"]
"""`affine`: scale and shift after each normalisation; `shift`: the shifts alone; `bias`: biases of other layers."""

_AFFINE_LAYERS = (ChannelAffine, nn.LayerNorm, nn.GroupNorm)


@dataclass(frozen=True)
class Slot:
    """One parameter tensor inside theta.

    Attributes:
        name: Qualified parameter name in the backbone.
        offset: First coordinate in theta.
        size: Number of coordinates.
    """

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class ThetaLayout:
    """Where each adapted tensor lies in theta, without holes."""

    slots: tuple[Slot, ...]

    @property
    def n_parameters(self) -> int:
        """Length P of theta."""
        return sum(slot.size for slot in self.slots)


def _belongs(module: nn.Module, leaf: str, rule: SubsetRule) -> bool:
    is_affine = isinstance(module, _AFFINE_LAYERS)
    if rule == "bias":
        return leaf == "bias" and not is_affine
    return is_affine and (rule == "affine" or leaf in ("shift", "bias"))


def layout_of(network: nn.Module, rule: SubsetRule) -> ThetaLayout:
    """Name the parameters of `network` that `rule` adapts, in the order of the modules.

    Args:
        network: Backbone after `fold_batch_norms`.
        rule: Which parameters to adapt.

    Raises:
        ConfigError: The rule names nothing in this network.
    """
    slots: list[Slot] = []
    offset = 0
    for prefix, module in network.named_modules():
        for leaf, parameter in module.named_parameters(recurse=False):
            if _belongs(module, leaf, rule):
                slots.append(Slot(f"{prefix}.{leaf}" if prefix else leaf, offset, parameter.numel()))
                offset += parameter.numel()
    if not slots:
        raise ConfigError(f"subset {rule!r} names no parameter of {type(network).__name__}; choose another subset")
    return ThetaLayout(tuple(slots))


def gather_theta(network: nn.Module, layout: ThetaLayout) -> torch.Tensor:
    """Read the adapted parameters of a network into one vector, (P,)."""
    return torch.cat([network.get_parameter(slot.name).detach().flatten() for slot in layout.slots])


def units_of(network: nn.Module, layout: ThetaLayout) -> torch.Tensor:
    """Natural unit of every coordinate, (P,): the mean magnitude of its tensor, at least 1e-3.

    A step of the same size then means the same relative change in every layer.
    """
    magnitudes = [
        network.get_parameter(slot.name).detach().abs().mean().clamp(min=1e-3).expand(slot.size)
        for slot in layout.slots
    ]
    return torch.cat(magnitudes)
