"""Networks of transformers from folders: the same features as the library's own, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from hyperflow.backbones.families import FAMILIES
from hyperflow.backbones.hf_loading import load_hf
from hyperflow.errors import CheckpointError, ConfigError

Edit = Callable[..., None]


def _library_features(folder: Path, images: torch.Tensor) -> Any:
    model: Any = transformers.AutoModel.from_pretrained(folder).eval()
    interpolates = model.config.model_type in ("vit", "deit")
    return model(pixel_values=images, **({"interpolate_pos_encoding": True} if interpolates else {}))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size_px", [32, 48])
@torch.no_grad()
def test_features_are_the_librarys_own_at_the_published_size_and_at_another(
    family: str, size_px: int, saved_models: dict[str, Path]
) -> None:
    images = torch.randn(2, 3, size_px, size_px)
    loaded = load_hf(str(saved_models[family]), size_px=size_px)
    output = _library_features(saved_models[family], images)
    takes_pooler = loaded.config.pooling == "pooler"
    expected = output.pooler_output.flatten(1) if takes_pooler else output.last_hidden_state[:, 0]

    features = loaded.network(images)

    assert features.shape == (2, loaded.config.feature_dim) == (2, 16)
    assert features.std() > 0.01
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)
    assert not loaded.network.training


@pytest.mark.parametrize(
    ("family", "n_prefix"), [("vit", 1), ("deit", 2), ("dinov2", 1), ("dinov2_with_registers", 4), ("dinov3_vit", 4)]
)
@torch.no_grad()
def test_mean_pooling_leaves_class_and_register_tokens_out(
    family: str, n_prefix: int, saved_models: dict[str, Path]
) -> None:
    images = torch.randn(2, 3, 32, 32)
    tokens = _library_features(saved_models[family], images).last_hidden_state

    features = load_hf(str(saved_models[family]), size_px=32, pooling="mean").network(images)

    assert tokens.shape[1] == n_prefix + 16
    torch.testing.assert_close(features, tokens[:, n_prefix:].mean(dim=1), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_mean_pooling_of_a_convolutional_network_skips_its_last_normalisation(saved_models: dict[str, Path]) -> None:
    images = torch.randn(2, 3, 64, 64)
    maps = _library_features(saved_models["convnext"], images).last_hidden_state

    features = load_hf(str(saved_models["convnext"]), size_px=64, pooling="mean").network(images)

    torch.testing.assert_close(features, maps.mean(dim=(2, 3)), rtol=1e-4, atol=1e-5)


def test_weights_stored_in_half_are_loaded_in_full(vit_copy: Path) -> None:
    path = vit_copy / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})

    network = load_hf(str(vit_copy)).network

    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_the_pooler_may_be_missing_as_in_many_published_transformers(vit_copy: Path) -> None:
    path, images = vit_copy / "model.safetensors", torch.randn(1, 3, 32, 32)
    expected = load_hf(str(vit_copy)).network(images)
    kept = {name: tensor for name, tensor in load_file(path).items() if not name.startswith("pooler.")}
    save_file(kept, path, metadata={"format": "pt"})

    network = load_hf(str(vit_copy)).network

    assert torch.equal(network(images), expected)
    assert not any("pooler" in name for name, _ in network.named_parameters())


def test_a_classifier_gives_its_body(saved_models: dict[str, Path], tmp_path: Path) -> None:
    body = transformers.ViTModel.from_pretrained(saved_models["vit"])
    classifier = transformers.ViTForImageClassification(body.config).eval()  # type: ignore[no-untyped-call]
    classifier.vit.load_state_dict(body.state_dict(), strict=False)
    classifier.save_pretrained(tmp_path)
    images = torch.randn(1, 3, 32, 32)

    loaded, expected = load_hf(str(tmp_path)), load_hf(str(saved_models["vit"]))

    assert torch.equal(loaded.network(images), expected.network(images))


def _only_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _torn(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _rewritten(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "has no config.json; it must hold a model as transformers saves it"),
        (lambda f: (f / "model.safetensors").unlink(), "has no model.safetensors; copy the whole model again"),
        (_only_pickle, r"pickled weights only \(pytorch_model.bin\), which could run code and are not read"),
        (_torn, "cannot be loaded as vit"),
        (lambda f: _rewritten(f, lambda t: t.pop("layernorm.weight")), "lacks 1 tensors of vit, first 'layernorm.w"),
        (lambda f: _rewritten(f, lambda t: t["layernorm.bias"].fill_(float("nan"))), "layernorm.bias holds NaN or inf"),
        (lambda f: _rewritten(f, lambda t: t.update({"layernorm.bias": torch.ones(3)})),
         "1 tensors do not have the shape that config.json says, first 'layernorm.bias'"),
        (lambda f: (f / "config.json").write_text("[1, 2]"), "is not a JSON object"),
        (lambda f: (f / "config.json").write_bytes(b"\xff\xfe{}"), "is not a JSON object"),
        (lambda f: (f / "config.json").write_text("[" * 200_000), "is not a JSON object"),
        (lambda f: (f / "config.json").write_text(" " * (2**20 + 1)), "is larger than 1 MiB"),
    ],
    ids=[
        "no configuration", "no weights", "pickle", "torn", "a tensor missing", "not finite", "another shape",
        "a list", "not UTF-8", "deeply nested", "huge",
    ],
)  # fmt: skip
def test_a_folder_that_is_not_whole_is_refused(spoil: Callable[[Path], object], message: str, vit_copy: Path) -> None:
    spoil(vit_copy)

    with pytest.raises(CheckpointError, match=message):
        load_hf(str(vit_copy))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "llama"}, "model_type must be one of vit, deit, .*, got 'llama'"),
        ({"model_type": None}, "model_type must be one of vit, deit, .*, got 'None'"),
        ({"model_type": ["vit"]}, "model_type must be one of"),
        ({"hidden_size": 10**9}, "hidden_size must be at most 65536, got 1000000000"),
        ({"num_hidden_layers": 5000}, "num_hidden_layers must be at most 256, got 5000"),
        ({"hidden_size": 2**16, "intermediate_size": 2**16}, r"vit would have .* weights, more than 2\^31"),
        ({"hidden_act": [1] * 1000}, "hidden_act has 1000 items at depth 1"),
        ({"hidden_size": "sixteen"}, "transformers refuses the vit configuration|vit cannot be built"),
        ({"patch_size": 0}, "vit cannot be built from its configuration"),
    ],
)
def test_a_configuration_that_is_hostile_or_unknown_is_refused(
    changes: dict[str, Any], message: str, vit_copy: Path, edit_json: Edit
) -> None:
    edit_json(vit_copy / "config.json", **changes)

    with pytest.raises(ConfigError, match=message):
        load_hf(str(vit_copy))


def test_code_of_a_repository_never_runs(vit_copy: Path, edit_json: Edit) -> None:
    (vit_copy / "evil.py").write_text(f"open({str(vit_copy / 'ran')!r}, 'w')\nclass Evil: ...\n")
    edit_json(vit_copy / "config.json", auto_map={"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"})

    assert type(load_hf(str(vit_copy)).network.model).__name__ == "ViTModel"
    assert not (vit_copy / "ran").exists()


def test_a_size_that_the_patches_do_not_fill_is_refused_with_its_neighbours(saved_models: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="multiple of the patch, 8 px, got 50; try 48 or 56"):
        load_hf(str(saved_models["vit"]), size_px=50)


def test_a_pooling_that_the_family_has_not_is_refused(saved_models: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="pooling must be one of pooler, mean for resnet, got 'cls'"):
        load_hf(str(saved_models["resnet"]), pooling="cls")


@pytest.mark.parametrize("source", ["/no/such/folder", "./nowhere", "a/b/c", "name with spaces"])
def test_what_is_neither_a_folder_nor_a_name_is_refused_before_any_download(source: str) -> None:
    with pytest.raises(CheckpointError, match=r"no folder .*; give a folder, or a name on the hub"):
        load_hf(source)


def test_a_name_that_cannot_be_downloaded_says_how_to_do_it_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(CheckpointError, match="where there is a network, `hf download nobody/nothing --local-dir DIR`"):
        load_hf("nobody/nothing")
