"""Distillation: a fresh backbone learns to see as a trained one does, without any label.

The student's features, through one linear map, point where the teacher's features of the same view point, after Hinton
et al. (arXiv:1503.02531) and, for features in place of logits, Romero et al. (arXiv:1412.6550). What is kept of the
student is its own features; the map is dropped.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hyperflow.backbones.opening import open_backbone
from hyperflow.checkpoint import load_checkpoint
from hyperflow.errors import ConfigError
from hyperflow.images.preprocessing import Preprocessing, normalise
from hyperflow.model import HyperFlow

__all__ = ["Distillation", "DistillationLoss", "fused_for_inference"]

_LEAST_DEVIATION = 1e-3
_N_CENTRING_BATCHES = 8


class Distillation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to learn from.

    Attributes:
        teacher: Trained backbone, as `hyperflow start --backbone` takes it: `mobilenet_v2:FILE`, `hf:NAME` ..., or
            `checkpoint:FOLDER` for one of our own, at its theta_0.
        size_px: Side at which the teacher sees a view; views are resized to it. A checkpoint has its own size.
        weight: Weight of the distillation loss beside that of the labels.

    Raises:
        ConfigError: No teacher, or a weight that is not above 0.
    """

    teacher: str
    size_px: int = 96
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.teacher or self.weight <= 0 or self.size_px < 16:
            raise ConfigError(f"distillation needs a teacher, a weight above 0 and at least 16 px, got {self}")


def fused_for_inference(network: nn.Module) -> nn.Module:
    """Copy a network with every BatchNorm that follows its convolution in a `Sequential` merged into it.

    Args:
        network: In eval mode. Not changed.
    """
    fused = copy.deepcopy(network).eval().requires_grad_(False)
    for module in list(fused.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        layers = list(module)
        for index, (first, second) in enumerate(itertools.pairwise(layers)):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                module[index], module[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return fused.to(memory_format=torch.channels_last)  # type: ignore[no-any-return, call-overload]


def _open_teacher(config: Distillation) -> tuple[nn.Module, Preprocessing]:
    kind, _, path = config.teacher.partition(":")
    if kind == "checkpoint":
        model = load_checkpoint(Path(path).expanduser())
        return _AtStart(model), model.config.preprocessing
    opened = open_backbone(config.teacher, config.size_px)
    return fused_for_inference(opened.network), opened.preprocessing


class _AtStart(nn.Module):
    """The backbone of a model at theta_0."""

    def __init__(self, model: HyperFlow) -> None:
        super().__init__()
        self.backbone = model.backbone.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.backbone(images, self.backbone.theta_0)
        return features


class DistillationLoss(nn.Module):
    """One minus the cosine between mapped student features and standardised teacher features.

    The teacher's features are standardised coordinate by coordinate, so that their large common part does not drown
    what differs from image to image.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, config: Distillation, feature_dim: int, *, bf16: bool) -> None:
        """Open the teacher.

        Args:
            config: Whom to learn from.
            feature_dim: Size of the student's features.
            bf16: Run the teacher in bfloat16.

        Raises:
            ConfigError: An unknown kind of teacher, or its library is absent.
            CheckpointError: The teacher's weights cannot be read.
        """
        super().__init__()
        teacher, self._rule = _open_teacher(config)
        self._teacher, self._bf16 = [teacher], bf16  # in a list, so that states and optimisers leave it out
        with torch.inference_mode():
            width = teacher(torch.zeros(1, 3, self._rule.size_px, self._rule.size_px)).shape[1]
        self.map = nn.Linear(feature_dim, width)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def standardise(self, draw: Callable[[int], torch.Tensor]) -> None:
        """Measure mean and deviation of the teacher's features on the first views of a run.

        Args:
            draw: Views of batch number i, (B, 3, H, W) in 0..1.
        """
        features = torch.cat([self._targets(draw(index)) for index in range(_N_CENTRING_BATCHES)])
        self.mean.copy_(features.mean(dim=0))
        self.deviation.copy_(features.std(dim=0).clamp(min=_LEAST_DEVIATION))

    def _targets(self, views: torch.Tensor) -> torch.Tensor:
        side = self._rule.size_px
        resized = functional.interpolate(views, size=(side, side), mode="bilinear", antialias=True)
        images = normalise(resized.clamp(0, 1).permute(0, 2, 3, 1), self._rule)
        teacher = self._teacher[0].to(images.device)
        with torch.inference_mode(), torch.autocast(images.device.type, torch.bfloat16, enabled=self._bf16):
            features = teacher(images.contiguous(memory_format=torch.channels_last))
        targets: torch.Tensor = features.float().clone()  # usable outside of inference mode
        return targets

    def forward(self, features: torch.Tensor, views: torch.Tensor) -> torch.Tensor:
        """Compute the loss, a scalar in 0..2.

        Args:
            features: Of the student, (B, feature_dim).
            views: What the student saw, before normalisation, (B, 3, H, W) in 0..1.
        """
        targets = (self._targets(views) - self.mean) / self.deviation
        return 1 - functional.cosine_similarity(self.map(features), targets).mean()
