"""What fine-tuning moves: the adapted subset, or every weight of the backbone, as one flat vector either way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch.func import functional_call

from hyperflow.model import HyperFlow

__all__ = ["Tunable", "TunedParameters", "tunable_of"]

TunedParameters = Literal["subset", "all"]
"""`subset`: theta; `all`: every weight of the backbone."""


@dataclass(frozen=True)
class Tunable:
    """A start value, its units, and the features under any other value.

    Attributes:
        start: Value before tuning, (P,).
        units: Natural unit of each coordinate, (P,). A learning rate counts in these.
        encode: Preprocessed images (B, 3, H, W) and a value (P,) to features (B, D).
    """

    start: torch.Tensor
    units: torch.Tensor
    encode: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def tunable_of(model: HyperFlow, parameters: TunedParameters) -> Tunable:
    """Name what to tune; the model is read, never written.

    Args:
        model: Whose backbone.
        parameters: `subset`: theta, in the units of the backbone. `all`: every weight in the order of the network's
            parameters, in units of 1, so that a learning rate is the plain one.
    """
    backbone = model.backbone
    if parameters == "subset":
        return Tunable(backbone.theta_0, backbone.units, backbone)
    network = backbone.network
    slots = {slot.name: slot for slot in backbone.layout.slots}
    named = dict(network.named_parameters())
    start = torch.cat(
        [
            backbone.theta_0[slots[name].offset : slots[name].offset + slots[name].size]
            if name in slots
            else weight.detach().flatten()
            for name, weight in named.items()
        ]
    )
    sizes = [weight.numel() for weight in named.values()]

    def encode(images: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        # One split has one backward pass; slices would each write a gradient as long as all weights together.
        parts = zip(named.items(), torch.split(weights, sizes), strict=True)
        features: torch.Tensor = functional_call(
            network, {name: part.view_as(weight) for (name, weight), part in parts}, (images,)
        )
        return features

    return Tunable(start, torch.ones_like(start), encode)
