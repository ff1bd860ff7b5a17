"""Checkpoints that hold the drift network alone: the backbone is brought, checked, and put back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from hyperflow.backbones.brought import brought_sha256
from hyperflow.checkpoint import load_checkpoint, save_checkpoint
from hyperflow.errors import CheckpointError
from hyperflow.model import HyperFlow

Arrays = dict[str, NDArray[np.float32]]


def _same(a: HyperFlow, b: HyperFlow) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_what_is_left_is_the_drift_and_the_rest_comes_back_from_the_public_weights(
    whole: Path, drift: Path, weights: Path
) -> None:
    tensors = load_file(drift / "model.safetensors")
    loaded = load_checkpoint(drift, backbone=weights)

    assert tensors
    assert all(name.startswith(("encoder.", "field.")) for name in tensors)
    assert sorted(file.name for file in drift.iterdir()) == ["config.json", "model.safetensors"]
    assert _same(loaded, load_checkpoint(whole))
    assert not loaded.training
    source = loaded.config.backbone_source
    assert source is not None
    assert (source.file_name, source.where, source.licence) == ("net.npz", "https://example.org/net", "MIT")


def test_any_container_of_the_same_weights_will_do(drift: Path, whole: Path, public_arrays: Arrays) -> None:
    needed = {name: array for name, array in public_arrays.items() if "output_pred" not in name}
    twice_as_wide = {name: np.asfortranarray(array.astype(np.float64)) for name, array in reversed(needed.items())}

    loaded = load_checkpoint(drift, backbone=twice_as_wide)  # type: ignore[arg-type]

    assert _same(loaded, load_checkpoint(whole))


def test_without_its_backbone_a_checkpoint_says_which_file_to_bring_and_how(drift: Path) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"holds the drift network alone; bring the backbone, net.npz \(MIT\) from https://example.org/net, "
        r"and name the file with --backbone FILE \(in Python: backbone=FILE\)",
    ):
        load_checkpoint(drift)


def test_a_backbone_for_a_checkpoint_that_has_its_own_is_refused(whole: Path, weights: Path) -> None:
    with pytest.raises(CheckpointError, match="holds its backbone's weights already; leave out --backbone"):
        load_checkpoint(whole, backbone=weights)


def _one_bit_off(arrays: Arrays) -> None:
    name = "mobilenetv20_features_linearbottleneck16_batchnorm2_running_var"
    arrays[name] = arrays[name].copy()
    arrays[name][7:8].view(np.uint32)[0] ^= 1


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_one_bit_off, "not the backbone that this checkpoint was trained on; the weights hash to [0-9a-f]{64}"),
        (lambda a: a.pop("mobilenetv20_features_conv1_weight"), "lacks 'mobilenetv20_features_conv1_weight'"),
        (dict.clear, "lacks 'mobilenetv20_features_conv0_weight'; expected the Keras or the ONNX Model Zoo"),
        (
            lambda a: a.update(mobilenetv20_features_conv0_weight=np.zeros((32, 3, 3, 3), np.int8)),
            "mobilenetv20_features_conv0_weight holds int8, expected floats",
        ),
    ],
    ids=["one bit", "missing", "empty", "no floats"],
)
def test_other_weights_are_refused_with_what_was_expected(
    drift: Path, public_arrays: Arrays, edit: Callable[[Arrays], object], message: str, tmp_path: Path
) -> None:
    arrays = dict(public_arrays)
    edit(arrays)
    np.savez(tmp_path / "other.npz", allow_pickle=False, **arrays)

    with pytest.raises(CheckpointError, match=rf"other.npz.*{message}.*; bring net.npz \(MIT\) from https://") as error:
        load_checkpoint(drift, backbone=tmp_path / "other.npz")

    if edit is _one_bit_off:
        assert f"expected {brought_sha256(public_arrays)}" in str(error.value)


def test_a_configuration_of_the_other_variant_is_refused(drift: Path, weights: Path, tmp_path: Path) -> None:
    config = json.loads((drift / "config.json").read_text())
    config["backbone"]["padding"] = "tensorflow"
    (tmp_path / "config.json").write_text(json.dumps(config))

    with pytest.raises(CheckpointError, match=r"the weights are for .*symmetric.*, but the checkpoint is for .*tens"):
        load_checkpoint(tmp_path, backbone=weights)


def test_tensors_that_do_not_fit_are_refused(drift: Path, whole: Path, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((drift / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((whole / "model.safetensors").read_bytes())

    with pytest.raises(CheckpointError, match=r"does not fit its configuration: \d+ names differ, first 'backbone\."):
        load_checkpoint(tmp_path, backbone=weights)


def test_a_model_with_a_brought_backbone_is_saved_whole_unless_asked_otherwise(
    drift: Path, whole: Path, weights: Path, tmp_path: Path
) -> None:
    save_checkpoint(load_checkpoint(drift, backbone=weights), tmp_path)

    assert (tmp_path / "config.json").read_bytes() == (whole / "config.json").read_bytes()
    assert _same(load_checkpoint(tmp_path), load_checkpoint(whole))
