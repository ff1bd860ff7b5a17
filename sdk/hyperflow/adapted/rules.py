"""The rules that name an adapted subset, and the limits on where they reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec
from torch import nn

from hyperflow.adapted.low_rank import can_be_low_rank
from hyperflow.backbones.folding import ChannelAffine
from hyperflow.errors import ConfigError

__all__ = ["AdaptedLayer", "Subset", "SubsetRule", "adapted_layers", "as_subset"]

SubsetRule = Literal["affine", "shift", "bias", "layer_norm", "qkv_bias", "low_rank"]
"""Which parameters adapt.

`affine`: scale and shift after each normalisation (FiLM); `shift`: the shifts alone; `layer_norm`: scale and shift of
LayerNorm alone; `bias`: biases of all other layers; `qkv_bias`: biases of the query, key and value projections, the
choice of HyperFlow (arXiv:2504.15323); `low_rank`: a low-rank change of every linear layer and 1x1 convolution.
"""

_AFFINE_LAYERS = (ChannelAffine, nn.LayerNorm, nn.GroupNorm)
_FUSED = "qkv"
_TRIOS = (("query", "key", "value"), ("q_proj", "k_proj", "v_proj"))


class Subset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule, and the part of the network in which it holds.

    The layers that the rule names are counted in the order of the modules; layer i of n lies at depth (i + 0.5) / n.

    Attributes:
        rule: Which parameters adapt.
        first_depth: Least depth that adapts, in [0, 1).
        last_depth: Depth before which adaptation ends, in (0, 1].
        within: Names of modules outside which nothing adapts; depth is counted inside them. Empty: the whole network.
        rank: Rank of each change under `low_rank`, 1..64.

    Raises:
        ConfigError: A value out of its range.
    """

    rule: SubsetRule = "affine"
    first_depth: float = 0.0
    last_depth: float = 1.0
    within: tuple[str, ...] = ()
    rank: int = 4

    def __post_init__(self) -> None:
        if self.rule not in get_args(SubsetRule):
            raise ConfigError(f"subset must be one of {', '.join(get_args(SubsetRule))}, got {self.rule!r}")
        if not 0.0 <= self.first_depth < self.last_depth <= 1.0:
            raise ConfigError(
                f"depths must be 0 <= first_depth < last_depth <= 1, got {self.first_depth} and {self.last_depth}"
            )
        if not 1 <= self.rank <= 64:
            raise ConfigError(f"rank must be 1..64, got {self.rank}")


@dataclass(frozen=True)
class AdaptedLayer:
    """One layer that a subset reaches.

    Attributes:
        name: Qualified name of the module; empty for the network itself.
        module: The layer.
        leaves: Names of its adapted parameters, in its own order.
    """

    name: str
    module: nn.Module
    leaves: tuple[str, ...]


def as_subset(subset: Subset | SubsetRule) -> Subset:
    """Read the short form, a rule alone, as the rule for the whole network."""
    return subset if isinstance(subset, Subset) else Subset(subset)


def _is_qkv_projection(network: nn.Module, name: str, module: nn.Module) -> bool:
    """Recognise attention by structure and name, as the two public model libraries build it.

    Either one linear layer called `qkv` with three outputs an input (timm), or one of three linear layers beside each
    other called `query`, `key`, `value` or `q_proj`, `k_proj`, `v_proj` (transformers).
    """
    if not isinstance(module, nn.Linear):
        return False
    parent, _, own = name.rpartition(".")
    if own == _FUSED:
        return module.out_features == 3 * module.in_features
    siblings = dict(network.get_submodule(parent).named_children())
    return any(own in trio and all(isinstance(siblings.get(other), nn.Linear) for other in trio) for trio in _TRIOS)


def _leaves(network: nn.Module, name: str, module: nn.Module, rule: SubsetRule) -> tuple[str, ...]:
    own = tuple(leaf for leaf, _ in module.named_parameters(recurse=False))
    is_affine = isinstance(module, _AFFINE_LAYERS)
    chosen: dict[SubsetRule, Callable[[str], bool]] = {
        "affine": lambda leaf: is_affine,
        "shift": lambda leaf: is_affine and leaf in ("shift", "bias"),
        "layer_norm": lambda leaf: isinstance(module, nn.LayerNorm),
        "bias": lambda leaf: leaf == "bias" and not is_affine,
        "qkv_bias": lambda leaf: leaf == "bias" and _is_qkv_projection(network, name, module),
        "low_rank": lambda leaf: leaf == "weight" and can_be_low_rank(module),
    }
    return tuple(leaf for leaf in own if chosen[rule](leaf))


def _lies_within(name: str, roots: tuple[str, ...]) -> bool:
    return not roots or any(name == root or name.startswith(f"{root}.") for root in roots)


def adapted_layers(network: nn.Module, subset: Subset) -> tuple[AdaptedLayer, ...]:
    """Find the layers that a subset reaches, in the order of the modules.

    Args:
        network: Backbone after `fold_batch_norms`. For `low_rank`, the layers that can take a change.
        subset: Rule and limits.

    Raises:
        ConfigError: `within` names a module that is not there, or nothing is reached.
    """
    modules = dict(network.named_modules())
    if absent := [root for root in subset.within if root not in modules]:
        children = ", ".join(name for name, _ in network.named_children())
        raise ConfigError(
            f"within names {absent[0]!r}, no module of {type(network).__name__}; it begins with {children}"
        )
    found = [
        AdaptedLayer(name, module, leaves)
        for name, module in modules.items()
        if _lies_within(name, subset.within) and (leaves := _leaves(network, name, module, subset.rule))
    ]
    depths = [(index + 0.5) / len(found) for index in range(len(found))]
    reached = tuple(
        layer for layer, depth in zip(found, depths, strict=True) if subset.first_depth <= depth < subset.last_depth
    )
    if not reached:
        raise ConfigError(
            f"subset {subset.rule!r} names no parameter of {type(network).__name__}; choose another subset"
            + (f", or wider depths: it has {len(found)} such layers" if found else "")
        )
    return reached
