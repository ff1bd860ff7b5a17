"""Networks of the `timm` library, rebuilt by name without a download."""

from __future__ import annotations

from typing import Any

import msgspec
import torch
from torch import nn

from hyperflow.errors import CheckpointError, ConfigError
from hyperflow.images.preprocessing import Preprocessing

__all__ = ["TimmConfig", "TimmNetwork", "load_timm"]


class TimmConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="timm"):
    """A network of `timm`, without its classifier and with its own pooling.

    Attributes:
        architecture: Name without the tag of a training, such as `vit_small_patch16_224`.
        feature_dim: Size of a feature.
        img_size: Side that position embeddings are for, None where there are none.
    """

    architecture: str
    feature_dim: int
    img_size: int | None = None


def _create(name: str, *, pretrained: bool, img_size: int | None) -> Any:
    try:
        import timm
    except ImportError as error:
        raise ConfigError(f"timm is not installed ({error}); pip install timm") from error
    size = {} if img_size is None else {"img_size": img_size}
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **size).eval()
    except Exception as error:  # an unknown name, no network, a size that does not fit: all differ
        raise CheckpointError(f"timm cannot make {name[:80]} ({str(error).strip()[:300]})") from error


def _feature_dim(model: Any) -> int:
    """Size of the pooled output: some families widen it after the layer that `num_features` counts."""
    return int(getattr(model, "head_hidden_size", None) or model.num_features)


class TimmNetwork(nn.Module):
    """Images (B, 3, H, W) to features (B, feature_dim)."""

    def __init__(self, config: TimmConfig, model: nn.Module | None = None) -> None:
        """Build the network.

        Args:
            config: What to build.
            model: Trained, and of the same architecture; one with random weights when None.

        Raises:
            ConfigError: `timm` is absent, or the features have another size.
            CheckpointError: `timm` does not know the name.
        """
        super().__init__()
        own = _create(config.architecture, pretrained=False, img_size=config.img_size) if model is None else model
        if (found := _feature_dim(own)) != config.feature_dim:
            raise ConfigError(f"feature_dim is {config.feature_dim}, but {config.architecture} has {found}")
        self.model: nn.Module = own
        self.feature_dim = config.feature_dim

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute features, (B, feature_dim)."""
        features: torch.Tensor = self.model(images)
        return features


def load_timm(name: str, *, size_px: int | None = None) -> tuple[TimmNetwork, TimmConfig, Preprocessing]:
    """Load published weights; `timm` itself resizes position embeddings.

    Args:
        name: Such as `vit_small_patch16_224.dino`.
        size_px: Side of the input images; by default the published one.

    Raises:
        ConfigError: `timm` is absent, or a size is out of its range.
        CheckpointError: The name is unknown, or the weights cannot be had.
    """
    published = _create(name, pretrained=False, img_size=None).pretrained_cfg
    side = size_px or int(published["input_size"][-1])
    img_size = side if published.get("fixed_input_size") else None
    model = _create(name, pretrained=True, img_size=img_size)
    config = TimmConfig(name.split(".")[0], _feature_dim(model), img_size)
    preprocessing = Preprocessing(
        side,
        crop_fraction=float(published.get("crop_pct") or 1.0),
        mean=tuple(published["mean"]),
        std=tuple(published["std"]),
    )
    return TimmNetwork(config, model), config, preprocessing
