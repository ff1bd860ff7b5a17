"""The adapted subset: the flat vector theta that holds the parameters a rule names.

This is the one place that defines theta; a checkpoint stores the rule, and a bundle the layout that follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from hyperflow.adapted.low_rank import LowRank, low_rank_of
from hyperflow.adapted.rules import AdaptedLayer, Subset, SubsetRule, adapted_layers, as_subset
from hyperflow.errors import ConfigError

__all__ = ["Slot", "Subset", "SubsetRule", "ThetaLayout", "gather_theta", "insert_changes", "layout_of"]


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


def insert_changes(network: nn.Module, subset: Subset | SubsetRule) -> nn.Module:
    """Give the layers that `low_rank` reaches their changes, all zero; other rules need no new parameter.

    Args:
        network: Backbone after `fold_batch_norms`. Changed in place.
        subset: Which parameters adapt.

    Returns:
        The same network.

    Raises:
        ConfigError: The subset names nothing in this network, or it is one layer without a parent.
    """
    subset = as_subset(subset)
    if subset.rule != "low_rank":
        return network
    for layer in adapted_layers(network, subset):
        parent, _, child = layer.name.rpartition(".")
        if not child:
            raise ConfigError(
                f"{type(network).__name__} is a single layer; wrap it in a module to adapt it at low rank"
            )
        setattr(network.get_submodule(parent), child, low_rank_of(layer.module, subset.rank))
    return network


def _layers(network: nn.Module, subset: Subset) -> tuple[AdaptedLayer, ...]:
    if subset.rule != "low_rank":
        return adapted_layers(network, subset)
    # The limits were applied when the changes were inserted, while the layers could still be counted.
    changes = tuple(
        AdaptedLayer(name, module, ("up",)) for name, module in network.named_modules() if isinstance(module, LowRank)
    )
    if not changes:
        raise ConfigError(f"{type(network).__name__} has no low-rank change; call insert_changes first")
    return changes


def layout_of(network: nn.Module, subset: Subset | SubsetRule) -> ThetaLayout:
    """Name the parameters of `network` that a subset adapts, in the order of the modules.

    Args:
        network: Backbone after `fold_batch_norms` and `insert_changes`.
        subset: Which parameters adapt.

    Raises:
        ConfigError: The subset names nothing in this network.
    """
    slots: list[Slot] = []
    offset = 0
    for layer in _layers(network, as_subset(subset)):
        for leaf in layer.leaves:
            size = layer.module.get_parameter(leaf).numel()
            slots.append(Slot(f"{layer.name}.{leaf}" if layer.name else leaf, offset, size))
            offset += size
    return ThetaLayout(tuple(slots))


def gather_theta(network: nn.Module, layout: ThetaLayout) -> torch.Tensor:
    """Read the adapted parameters of a network into one vector, (P,)."""
    return torch.cat([network.get_parameter(slot.name).detach().flatten() for slot in layout.slots])
