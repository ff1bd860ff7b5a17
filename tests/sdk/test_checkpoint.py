"""Checkpoints: whole or refused, and nothing in them is ever run."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hyperflow.backbones.mobilenet_v2 import MobileNetV2Config
from hyperflow.checkpoint import load_checkpoint, read_config, save_checkpoint
from hyperflow.drift.config import DriftConfig
from hyperflow.errors import CheckpointError
from hyperflow.model import DeviceDefaults, HyperFlow, ModelConfig


@pytest.fixture
def saved(tiny_model: HyperFlow, tmp_path: Path) -> Path:
    save_checkpoint(tiny_model, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def _edit_config(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def _edit_weights(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_a_loaded_checkpoint_is_the_one_that_was_saved(tiny_model: HyperFlow, saved: Path) -> None:
    loaded = load_checkpoint(saved)

    assert loaded.config == tiny_model.config
    assert not loaded.training
    assert loaded.state_dict().keys() == tiny_model.state_dict().keys()
    for name, tensor in tiny_model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert sorted(file.name for file in saved.iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(backbone=MobileNetV2Config(padding="tensorflow", expand_first=False), drift=DriftConfig(width=8)),
        ModelConfig(subset="shift", n_steps=7, device=DeviceDefaults(1.25, (0.0, 1.25), (0.0, 0.05), 20.0, 1.5, 0.4)),
    ],
    ids=["mobilenet", "shift"],
)
def test_every_part_of_a_configuration_survives(config: ModelConfig, tmp_path: Path) -> None:
    save_checkpoint(HyperFlow(config), tmp_path)

    assert read_config(tmp_path) == config
    assert load_checkpoint(tmp_path).config == config


def test_half_storage_takes_half_the_space_and_is_loaded_as_fp32(
    tiny_model: HyperFlow, saved: Path, tmp_path: Path
) -> None:
    save_checkpoint(tiny_model, tmp_path / "half", half=True)

    loaded = load_checkpoint(tmp_path / "half")

    sizes = [sum(t.nbytes for t in load_file(p / "model.safetensors").values()) for p in (saved, tmp_path / "half")]
    assert sizes[0] == 2 * sizes[1]
    for name, tensor in tiny_model.state_dict().items():
        value = loaded.state_dict()[name]
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, tensor, rtol=1e-3, atol=1e-6, msg=name)


def test_an_older_checkpoint_is_replaced_and_nothing_else_is_left(tiny_model: HyperFlow, saved: Path) -> None:
    with torch.no_grad():
        tiny_model.encoder.norm.bias.fill_(0.25)

    save_checkpoint(tiny_model, saved)

    assert torch.equal(load_checkpoint(saved).encoder.norm.bias, tiny_model.encoder.norm.bias)
    assert sorted(file.name for file in saved.iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", r"no checkpoint at .*checkpoint: config.json cannot be read"),
        ("model.safetensors", r"model.safetensors cannot be read \(.*\); copy the checkpoint again"),
    ],
)
def test_a_missing_file_is_named(saved: Path, name: str, message: str) -> None:
    (saved / name).unlink()

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(saved)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", r"config.json is not a checkpoint configuration"),
        ("model.safetensors", r"model.safetensors cannot be read .*; copy the checkpoint again"),
    ],
)
def test_a_torn_file_is_refused(saved: Path, name: str, message: str, kept: float) -> None:
    data = (saved / name).read_bytes()
    (saved / name).write_bytes(data[: int(len(data.strip()) * kept)])

    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.pop("encoder.norm.bias"), "1 names differ, first 'encoder.norm.bias'"),
        (lambda t: t.update(extra=torch.zeros(1)), "1 names differ, first 'extra'"),
        (lambda t: t.update(a=torch.zeros(1), b=t.pop("backbone.theta_0")), "3 names differ, first 'a'"),
        (lambda t: t.update({"backbone.theta_0": torch.zeros(3)}), "backbone.theta_0 is (3,), expected (144,)"),
        (lambda t: t["backbone.units"].fill_(torch.nan), "backbone.units holds NaN or infinity; take an earlier"),
        (lambda t: t["encoder.norm.bias"][3:4].fill_(torch.inf), "encoder.norm.bias holds NaN or infinity"),
    ],
    ids=["missing", "extra", "renamed", "shape", "NaN", "infinity"],
)
def test_tensors_that_do_not_fit_are_refused(
    saved: Path, edit: Callable[[dict[str, torch.Tensor]], object], message: str
) -> None:
    _edit_weights(saved, edit)

    with pytest.raises(CheckpointError, match=re.escape(message)):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": "red"}, "Object contains unknown field `colour`"),
        ({"n_steps": "four"}, "Expected `int`, got `str` - at `$.n_steps`"),
        ({"n_steps": 0}, "n_steps must be 1..64, got 0"),
        ({"backbone": {"kind": "transformer"}}, "Invalid value 'transformer' - at `$.backbone.kind`"),
        ({"backbone": {"kind": "conv", "widths": [4]}}, "at least 8, got (4,)"),
        ({"preprocessing": {"size_px": 8}}, "size_px must be 16..1024, got 8"),
        ({"drift": {"width": 10, "encoder_heads": 4}}, "a multiple of the heads, got 10, 4"),
        ({"subset": "everything"}, "Invalid enum value 'everything' - at `$.subset`"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(saved: Path, values: dict[str, object], message: str) -> None:
    _edit_config(saved, **values)

    with pytest.raises(CheckpointError, match=r"config.json is not a checkpoint configuration .*" + re.escape(message)):
        load_checkpoint(saved)


def test_a_configuration_that_is_not_utf8_is_refused(saved: Path) -> None:
    (saved / "config.json").write_bytes(b'{"name": "\xff\xfe"}')

    with pytest.raises(CheckpointError, match=r"config\.json is not a checkpoint configuration"):
        load_checkpoint(saved)


def test_a_configuration_of_another_shape_than_the_weights_is_refused(saved: Path) -> None:
    _edit_config(saved, backbone={"kind": "conv", "widths": [8, 24]})

    with pytest.raises(CheckpointError, match=r"is \(.*\), expected \(.*\)"):
        load_checkpoint(saved)


class _Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self._mark,)


@pytest.mark.parametrize("write", [lambda trap, path: path.write_bytes(pickle.dumps(trap)), torch.save])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_pickle_is_never_loaded(
    saved: Path, tmp_path: Path, name: str, write: Callable[[object, Path], object]
) -> None:
    write({"encoder.norm.bias": _Trap(tmp_path / "mark")}, saved / name)

    with pytest.raises(CheckpointError):
        load_checkpoint(saved)

    assert not (tmp_path / "mark").exists()
    pickle.loads(pickle.dumps(_Trap(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


def test_weights_as_a_pickle_beside_are_not_looked_at(saved: Path, tmp_path: Path) -> None:
    (saved / "model.safetensors").unlink()
    torch.save(_Trap(tmp_path / "mark"), saved / "pytorch_model.bin")

    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read"):
        load_checkpoint(saved)

    assert not (tmp_path / "mark").exists()
