"""One word for every backbone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from hyperflow.backbones.build import BackboneConfig, build_backbone
from hyperflow.backbones.conv import ConvConfig
from hyperflow.backbones.hf_network import HfConfig
from hyperflow.backbones.opening import open_backbone
from hyperflow.backbones.timm_network import TimmConfig
from hyperflow.errors import CheckpointError, ConfigError, HyperflowError
from hyperflow.model import ModelConfig

no_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is not None, reason="timm is installed")


@pytest.mark.parametrize(
    ("spec", "size_px", "widths"),
    [("conv", None, (48, 96, 192, 384)), ("conv:8,16", 32, (8, 16))],
)
def test_conv_is_a_fresh_network_of_the_given_widths(spec: str, size_px: int | None, widths: tuple[int, ...]) -> None:
    opened = open_backbone(spec, size_px)

    assert opened.config == ConvConfig(widths)
    assert opened.preprocessing.size_px == (size_px or 64)
    assert opened.network(torch.randn(1, 3, 32, 32)).shape == (1, widths[-1])


def test_hf_opens_a_folder_and_its_configuration_rebuilds_the_network(saved_models: dict[str, Path]) -> None:
    opened = open_backbone(f"hf:{saved_models['dinov2']}", 48, pooling="mean")
    assert isinstance(opened.config, HfConfig)
    assert opened.config.pooling == "mean"

    rebuilt, feature_dim = build_backbone(opened.config)
    rebuilt.load_state_dict(opened.network.state_dict())

    images = torch.randn(2, 3, 48, 48)
    assert torch.equal(rebuilt(images), opened.network(images))
    assert feature_dim == 16


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("resnet50", {}, r"backbone must be one of conv\[:WIDTHS\], .*, got 'resnet50'"),
        ("torch:resnet50", {}, "backbone must be one of .*, got 'torch:resnet50'"),
        ("hf:", {}, "backbone must be one of .*, got 'hf:'"),
        ("", {}, "backbone must be one of"),
        ("conv:8;16", {}, "widths must be numbers with commas, such as conv:48,96,192, got '8;16'"),
        ("conv:4", {}, "widths must be one or more numbers of at least 8"),
        ("conv", {"size_px": 8}, "size_px must be 16..1024, got 8"),
        ("mobilenet_v2:weights.npz", {"size_px": 100}, "multiple of 32 for mobilenet_v2, got 100"),
        ("conv", {"pooling": "mean"}, "pooling is chosen for hf backbones alone; conv has one way only"),
    ],
)
def test_a_word_that_means_nothing_is_refused(spec: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_backbone(spec, **options)


@pytest.mark.parametrize("spec", ["mobilenet_v2:nowhere.npz", "hf:./nowhere"])
def test_weights_that_are_not_there_are_refused(spec: str) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        open_backbone(spec)


@no_timm
@pytest.mark.parametrize("build", [lambda: open_backbone("timm:vit_tiny"), lambda: build_backbone(TimmConfig("a", 8))])
def test_without_timm_what_to_install_is_named(build: Any) -> None:
    with pytest.raises(HyperflowError, match=r"timm is not installed .*; pip install timm"):
        build()


@pytest.mark.parametrize(
    "backbone", [TimmConfig("vit_small_patch16_224", 384, 128), HfConfig({"model_type": "vit"}, 768, "cls")]
)
def test_configurations_of_hubs_travel_with_their_kind(backbone: BackboneConfig) -> None:
    config = ModelConfig(backbone=backbone)

    assert msgspec.json.decode(msgspec.json.encode(config), type=ModelConfig) == config
