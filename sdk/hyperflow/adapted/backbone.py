"""A backbone whose adapted subset is an argument of the forward pass."""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call

from hyperflow.adapted.subset import Subset, SubsetRule, gather_theta, insert_changes, layout_of
from hyperflow.adapted.units import units_of
from hyperflow.backbones.folding import ChannelAffine, fold_batch_norms

__all__ = ["AdaptableBackbone"]


class AdaptableBackbone(nn.Module):
    """Features f(images; theta): everything frozen but the vector theta, which is an input.

    Attributes:
        layout: Where each adapted tensor lies in theta.
        theta_0: Meta-trained start value, (P,).
        units: Natural unit of each coordinate, (P,).
        feature_dim: Size D of a feature.
    """

    theta_0: torch.Tensor
    units: torch.Tensor

    def __init__(self, network: nn.Module, feature_dim: int, subset: Subset | SubsetRule) -> None:
        """Fold the BatchNorm of `network`, freeze it and set up theta.

        Args:
            network: Images (B, 3, H, W) to features (B, feature_dim). Not changed.
            feature_dim: Size of a feature.
            subset: Which parameters to adapt.

        Raises:
            ConfigError: The subset names nothing in this network.
        """
        super().__init__()
        self.network = insert_changes(fold_batch_norms(network), subset).requires_grad_(False)
        self.layout = layout_of(self.network, subset)
        self.feature_dim = feature_dim
        self.register_buffer("theta_0", gather_theta(self.network, self.layout))
        self.register_buffer("units", units_of(self.network, self.layout))
        owners = (self.network.get_submodule(slot.name.rpartition(".")[0]) for slot in self.layout.slots)
        self._is_by_channel = all(isinstance(owner, ChannelAffine) for owner in owners)

    def forward(self, images: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        """Compute features.

        Args:
            images: Preprocessed, (B, 3, H, W).
            theta: Adapted parameters, (P,).

        Returns:
            (B, D).
        """
        # Split once and in the shape of use: a slice and a reshape for each slot double TensorRT for RTX's engines.
        shape, dim = ((1, -1, 1, 1), 1) if self._is_by_channel else ((-1,), 0)
        pieces = torch.split(theta.view(shape), [slot.size for slot in self.layout.slots], dim)
        parameters = {
            slot.name: piece.view_as(self.network.get_parameter(slot.name))
            for slot, piece in zip(self.layout.slots, pieces, strict=True)
        }
        features: torch.Tensor = functional_call(self.network, parameters, (images,))
        return features
