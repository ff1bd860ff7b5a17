"""Networks of transformers inside a model: which parameters adapt, and checkpoints that need no hub."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from hyperflow.adapted.subset import SubsetRule
from hyperflow.backbones.build import BackboneConfig, build_backbone
from hyperflow.backbones.families import FAMILIES
from hyperflow.backbones.hf_loading import load_hf
from hyperflow.backbones.hf_network import HfConfig, HfNetwork
from hyperflow.checkpoint import load_checkpoint, save_checkpoint
from hyperflow.drift.config import DriftConfig
from hyperflow.errors import CheckpointError, ConfigError
from hyperflow.model import HyperFlow, ModelConfig

DRIFT = DriftConfig(width=16, encoder_layers=1, encoder_heads=2, field_blocks=1)
# As transformers 5 names them.
_NORMS = [f"model.layers.{block}.layernorm_{place}" for block in range(2) for place in ("before", "after")]
_QKV = [f"model.layers.{block}.attention.{part}_proj" for block in range(2) for part in "qkv"]
_OTHER = [f"model.layers.{block}.{part}" for block in range(2) for part in ("attention.o_proj", "mlp.fc1", "mlp.fc2")]
NAMES: dict[SubsetRule, set[str]] = {
    "affine": {f"{norm}.{leaf}" for norm in (*_NORMS, "model.layernorm") for leaf in ("weight", "bias")},
    "layer_norm": {f"{norm}.{leaf}" for norm in (*_NORMS, "model.layernorm") for leaf in ("weight", "bias")},
    "shift": {f"{norm}.bias" for norm in (*_NORMS, "model.layernorm")},
    "qkv_bias": {f"{name}.bias" for name in _QKV},
    "bias": {f"{name}.bias" for name in (*_QKV, *_OTHER, "model.embeddings.patch_embeddings.projection")},
    "low_rank": {f"{name}.up" for name in (*_QKV, *_OTHER)},
}


def _model(folder: Path, subset: SubsetRule = "affine", size_px: int = 32) -> HyperFlow:
    loaded = load_hf(str(folder), size_px=size_px)
    config = ModelConfig("hub", loaded.config, loaded.preprocessing, subset, DRIFT, 2)
    return HyperFlow(config, loaded.network).eval()


@pytest.mark.parametrize("rule", NAMES)
def test_each_rule_names_exactly_its_parameters_of_a_vision_transformer(
    rule: SubsetRule, saved_models: dict[str, Path]
) -> None:
    slots = _model(saved_models["vit"], rule).backbone.layout.slots

    assert len(slots) == len(NAMES[rule])
    assert {slot.name for slot in slots} == NAMES[rule]


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_theta_0_gives_the_features_of_the_network_and_another_theta_does_not(
    family: str, saved_models: dict[str, Path]
) -> None:
    loaded, images = load_hf(str(saved_models[family]), size_px=32), torch.randn(2, 3, 32, 32)
    model = _model(saved_models[family])

    features = model.encode(images)

    torch.testing.assert_close(features, loaded.network(images), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(model.encode(images, model.backbone.theta_0 + model.backbone.units), features, atol=1e-3)


@pytest.mark.parametrize(("family", "rule"), [("vit", "qkv_bias"), ("dinov2", "low_rank"), ("resnet", "affine")])
def test_a_checkpoint_rebuilds_the_network_without_the_folder_it_came_from(
    family: str, rule: SubsetRule, saved_models: dict[str, Path], tmp_path: Path
) -> None:
    source = shutil.copytree(saved_models[family], tmp_path / "source")
    model, images = _model(source, rule, size_px=48), torch.randn(2, 3, 48, 48)
    theta = model.backbone.theta_0 + model.backbone.units
    save_checkpoint(model, tmp_path / "checkpoint")
    shutil.rmtree(source)

    loaded = load_checkpoint(tmp_path / "checkpoint")

    assert loaded.config == model.config
    assert torch.equal(loaded.encode(images, theta), model.encode(images, theta))


def test_images_of_another_size_than_the_position_embeddings_are_refused(saved_models: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"images are \(40, 40\), but this network takes 48 px"):
        _model(saved_models["vit"], size_px=48).encode(torch.randn(1, 3, 40, 40))


def test_labels_and_paths_of_the_source_do_not_travel(saved_models: dict[str, Path]) -> None:
    architecture = load_hf(str(saved_models["vit"])).config.architecture

    assert architecture["model_type"] == "vit"
    assert not {"id2label", "label2id", "_name_or_path", "architectures", "dtype"} & set(architecture)


def _edited(config: HfConfig, **changes: Any) -> HfConfig:
    return msgspec.structs.replace(config, architecture={**config.architecture, **changes})


def test_a_feature_size_that_the_network_has_not_is_refused(saved_models: dict[str, Path]) -> None:
    config = msgspec.structs.replace(load_hf(str(saved_models["vit"])).config, feature_dim=24)

    with pytest.raises(ConfigError, match="feature_dim is 24, but the network has 16"):
        HfNetwork(config)


def test_a_checkpoint_with_another_architecture_than_its_weights_is_refused(
    saved_models: dict[str, Path], tmp_path: Path
) -> None:
    save_checkpoint(_model(saved_models["vit"]), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["backbone"]["architecture"]["intermediate_size"] = 40
    (tmp_path / "config.json").write_text(json.dumps(config))

    with pytest.raises(CheckpointError, match=r"\.bias is \(32,\), expected \(40,\)"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_of_an_unknown_family_is_refused(saved_models: dict[str, Path], tmp_path: Path) -> None:
    save_checkpoint(_model(saved_models["vit"]), tmp_path)
    config = (tmp_path / "config.json").read_text().replace('"model_type": "vit"', '"model_type": "../vit"')
    (tmp_path / "config.json").write_text(config)

    with pytest.raises(CheckpointError, match="model_type must be one of vit, "):
        load_checkpoint(tmp_path)


def test_another_major_version_of_the_library_is_named(saved_models: dict[str, Path]) -> None:
    config: BackboneConfig = _edited(load_hf(str(saved_models["vit"])).config, transformers_version="3.1.0")

    with pytest.raises(
        ConfigError, match=r"stored with transformers 3.1.0 and here is .*install 'transformers==3\.\*'"
    ):
        build_backbone(config)


def test_without_the_library_the_extra_to_install_is_named(
    saved_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_hf(str(saved_models["vit"])).config
    monkeypatch.setitem(sys.modules, "transformers", None)

    with pytest.raises(ConfigError, match=r"transformers is not installed .*; pip install 'hyperflow\[hub\]'"):
        build_backbone(config)
