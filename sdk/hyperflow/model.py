"""The whole model: adaptable backbone, support encoder, drift field, and the configuration that rebuilds them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import torch
from torch import nn

from hyperflow.adapted.backbone import AdaptableBackbone
from hyperflow.adapted.prototypes import query_cosines
from hyperflow.adapted.subset import Subset, SubsetRule
from hyperflow.backbones.backbone_source import BackboneSource
from hyperflow.backbones.brought import can_be_brought
from hyperflow.backbones.build import BackboneConfig, build_backbone
from hyperflow.backbones.conv import ConvConfig
from hyperflow.drift.config import DriftConfig
from hyperflow.drift.encoder import SupportEncoder
from hyperflow.drift.euler import EulerPath, integrate
from hyperflow.drift.field import DriftField, SupportSummary
from hyperflow.errors import ConfigError
from hyperflow.images.preprocessing import Preprocessing

__all__ = ["Adapted", "DeviceDefaults", "HyperFlow", "ModelConfig"]


class DeviceDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What meta-validation chose for the device; test labels have no part in it.

    Attributes:
        step_size: Euler step size h when no guard decides.
        candidates: Step sizes among which the guard chooses; 0 is always one of them.
        penalties: Added to the leave-one-out loss of each candidate before the guard compares.
        logit_scale: Factor from cosine to logit.
        unknown_margin: How far below the support's own cosines a known image may fall, in their standard deviations.
        unknown_floor: Threshold on the cosine when there is one shot a class and nothing can be left out.

    Raises:
        ConfigError: Values that do not fit together.
    """

    step_size: float = 1.0
    candidates: tuple[float, ...] = (0.0, 0.5, 1.0)
    penalties: tuple[float, ...] = (0.0, 0.0, 0.0)
    logit_scale: float = 16.0
    unknown_margin: float = 2.0
    unknown_floor: float = 0.5

    def __post_init__(self) -> None:
        if len(self.candidates) != len(self.penalties):
            raise ConfigError(f"{len(self.candidates)} candidates need as many penalties, got {len(self.penalties)}")
        if 0.0 not in self.candidates:
            raise ConfigError(f"candidates must hold 0 (do nothing), got {self.candidates}")
        if self.logit_scale <= 0:
            raise ConfigError(f"logit_scale must be above 0, got {self.logit_scale}")


class ModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is needed to rebuild a model around its weights.

    Attributes:
        name: Short name, used for files.
        backbone: Which network.
        preprocessing: What happens to an image before it.
        subset: Which of its parameters adapt.
        drift: Shape of the drift network.
        n_steps: Euler steps K.
        device: Step size, guard and calibration.
        licence: Licence of the weights, an SPDX expression or one sentence.
        backbone_source: Where the backbone's weights come from when the checkpoint does not hold them; None when it
            does.

    Raises:
        ConfigError: A value out of range, or a source for a backbone whose weights cannot be brought.
    """

    name: str = "default"
    backbone: BackboneConfig = msgspec.field(default_factory=ConvConfig)
    preprocessing: Preprocessing = msgspec.field(default_factory=lambda: Preprocessing(64))
    subset: SubsetRule | Subset = "affine"
    drift: DriftConfig = msgspec.field(default_factory=DriftConfig)
    n_steps: int = 4
    device: DeviceDefaults = msgspec.field(default_factory=DeviceDefaults)
    licence: str = "Apache-2.0"
    backbone_source: BackboneSource | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.n_steps <= 64:
            raise ConfigError(f"n_steps must be 1..64, got {self.n_steps}")
        if self.backbone_source is not None and not can_be_brought(self.backbone):
            raise ConfigError(
                f"backbone_source is for mobilenet_v2 alone, whose weights are public arrays; got {self.backbone}"
            )


class Adapted(NamedTuple):
    """Outcome of the Euler steps.

    Attributes:
        theta: Adapted parameters, (P,).
        step_norms: Length of each step in units, (K,).
    """

    theta: torch.Tensor
    step_norms: torch.Tensor


class HyperFlow(nn.Module):
    """Few-shot classifier that adapts by following a learned drift instead of a gradient (arXiv:2504.15323)."""

    def __init__(self, config: ModelConfig, network: nn.Module | None = None) -> None:
        """Build the model.

        Args:
            config: What to build.
            network: Trained backbone that fits `config.backbone`, BatchNorm and all; a fresh one when None.
        """
        super().__init__()
        fresh, feature_dim = build_backbone(config.backbone)
        self.config = config
        self.backbone = AdaptableBackbone(network or fresh, feature_dim, config.subset)
        self.encoder = SupportEncoder(feature_dim, config.drift)
        self.field = DriftField(self.backbone.layout, feature_dim, config.drift)

    def encode(self, images: torch.Tensor, theta: torch.Tensor | None = None) -> torch.Tensor:
        """Features of preprocessed images (B, 3, H, W) under theta (P,), by default theta_0; (B, D)."""
        features: torch.Tensor = self.backbone(images, self.backbone.theta_0 if theta is None else theta)
        return features

    def summarise(self, features: torch.Tensor, labels_onehot: torch.Tensor) -> SupportSummary:
        """Compute what the drift field has to know of a support set, once a task.

        Args:
            features: Support features at theta_0, (S, D).
            labels_onehot: (S, N), one 1 a row.
        """
        return self.field.summarise(features, labels_onehot, self.encoder(features, labels_onehot))

    def follow(
        self, features: torch.Tensor, labels_onehot: torch.Tensor, step_size: torch.Tensor,
        *, n_steps: int | None = None, start: torch.Tensor | None = None,
    ) -> EulerPath:  # fmt: skip
        """Run the Euler steps for a support set and keep every change of theta on the way, in units.

        Args:
            features: Support features at theta_0, (S, D).
            labels_onehot: (S, N), one 1 a row.
            step_size: Euler step size h, a scalar tensor; 0 leaves theta at its start.
            n_steps: Number of steps K, where it is not the configured one. The velocity is that of one of the
                configured steps, so h is scaled to go as far: K' steps of size h K / K'.
            start: Change of theta to start at, in units, (P,), instead of none.
        """
        support = self.summarise(features, labels_onehot)
        k = n_steps or self.config.n_steps
        return integrate(
            lambda state, t: self.field(state, t, support),
            (torch.zeros_like(self.backbone.theta_0) if start is None else start)[None],
            n_steps=k,
            step_size=step_size if n_steps is None else step_size * (self.config.n_steps / k),
        )

    def adapt(
        self, features: torch.Tensor, labels_onehot: torch.Tensor, step_size: torch.Tensor,
        *, n_steps: int | None = None, start: torch.Tensor | None = None,
    ) -> Adapted:  # fmt: skip
        """Run the Euler steps for a support set; arguments as `follow` takes them."""
        path = self.follow(features, labels_onehot, step_size, n_steps=n_steps, start=start)
        return Adapted(self.theta_of(path.states[-1][0]), path.lengths)

    def theta_of(self, change: torch.Tensor) -> torch.Tensor:
        """Theta for a change in units; both (P,)."""
        return self.backbone.theta_0 + self.backbone.units * change

    def scores(
        self, support: torch.Tensor, labels_onehot: torch.Tensor, queries: torch.Tensor, theta: torch.Tensor
    ) -> torch.Tensor:
        """Cosines of queries to the support's prototypes, all under one theta.

        Args:
            support: Preprocessed, (S, 3, H, W).
            labels_onehot: (S, N), one 1 a row.
            queries: Preprocessed, (Q, 3, H, W).
            theta: (P,).

        Returns:
            (Q, N) in -1..1.
        """
        return query_cosines(self.encode(torch.cat([support, queries]), theta), labels_onehot)
