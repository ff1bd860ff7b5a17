"""Opening a store: nothing is believed that was not checked."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import save

from hyperflow.checkpoint import load_checkpoint
from hyperflow.errors import TrainingError
from hyperflow.images.preprocessing import Preprocessing
from hyperflow.model import HyperFlow
from hyperflow.trajectories.fingerprint import backbone_sha256
from hyperflow.trajectories.manifest import Manifest
from hyperflow.trajectories.plan import Plan
from hyperflow.trajectories.store import open_trajectories

SHARD = "shard-000001.safetensors"


@pytest.fixture
def copy(simulated: tuple[Path, Manifest, Plan], tmp_path: Path) -> Path:
    """A finished store to spoil."""
    return Path(shutil.copytree(simulated[0], tmp_path / "store"))


@pytest.fixture
def model(simulated: tuple[Path, Manifest, Plan]) -> HyperFlow:
    return simulated[2].model


def _edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def _replace_shard(folder: Path, content: bytes) -> None:
    """Put other bytes into a shard and make the manifest agree with them."""
    (folder / SHARD).write_bytes(content)
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content), "cpu_seconds": 1.0}
    _edit(folder, lambda manifest: manifest["shards"].update({"1": entry}))


def test_the_drift_can_change_and_the_store_still_fits(copy: Path, checkpoint: Path) -> None:
    model = load_checkpoint(checkpoint)
    before = backbone_sha256(model)
    with torch.no_grad():
        for parameter in model.field.parameters():
            parameter += 1

    assert backbone_sha256(model) == before
    assert len(open_trajectories(copy, model)) == 18


@pytest.mark.parametrize("what", ["weight", "theta_0", "preprocessing"])
def test_a_store_of_another_backbone_is_refused(copy: Path, tiny_model: HyperFlow, what: str) -> None:
    _edit(copy, lambda manifest: manifest.update(backbone_sha256=backbone_sha256(tiny_model)))
    open_trajectories(copy, tiny_model)
    if what == "weight":
        next(tiny_model.backbone.network.parameters()).data[0] += 1e-3
    elif what == "theta_0":
        tiny_model.backbone.theta_0[3] += 1e-3
    else:
        tiny_model.config = msgspec.structs.replace(tiny_model.config, preprocessing=Preprocessing(48))

    with pytest.raises(TrainingError, match=r"simulated with backbone \w{12}, but this checkpoint has \w{12}; train"):
        open_trajectories(copy, tiny_model)


@pytest.mark.parametrize("position", [0, 40, -1])
def test_one_flipped_bit_in_a_shard_is_noticed(copy: Path, model: HyperFlow, position: int) -> None:
    content = bytearray((copy / SHARD).read_bytes())
    content[position] ^= 4
    (copy / SHARD).write_bytes(content)

    with pytest.raises(TrainingError, match=rf"{SHARD} is not the file that was written .*delete it and run hyperflow"):
        open_trajectories(copy, model)


def test_a_shard_that_was_cut_is_noticed(copy: Path, model: HyperFlow) -> None:
    (copy / SHARD).write_bytes((copy / SHARD).read_bytes()[:-7])

    with pytest.raises(TrainingError, match=rf"{SHARD} has \d+ bytes, expected \d+; delete it"):
        open_trajectories(copy, model)


def test_a_shard_that_is_missing_is_noticed(copy: Path, model: HyperFlow) -> None:
    (copy / SHARD).unlink()

    with pytest.raises(TrainingError, match=rf"{SHARD} cannot be read .*it alone is made again"):
        open_trajectories(copy, model)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x" * 100, "is not a shard"),
        (save({"other": torch.zeros(1)}), "is not a shard"),
        (save({"changes": torch.zeros(5, 3, 7).half()}), r"holds torch.float16 \(5, 3, 7\), expected"),
        (save({"changes": torch.zeros(5, 3, 144)}), "holds torch.float32"),
        (save({"changes": torch.full((5, 3, 144), torch.inf).half()}), "holds NaN or infinity"),
    ],
    ids=["noise", "other tensors", "shape", "type", "infinity"],
)
def test_a_shard_must_be_what_the_manifest_needs_even_if_its_digest_fits(
    copy: Path, model: HyperFlow, content: bytes, message: str
) -> None:
    _replace_shard(copy, content)

    with pytest.raises(TrainingError, match=f"{SHARD} {message}"):
        open_trajectories(copy, model)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(schema=99),
        lambda manifest: manifest.update(shard_trajectories=0),
        lambda manifest: manifest.update(tasks=[]),
        lambda manifest: manifest.update(extra=1),
        lambda manifest: manifest["config"].update(checkpoints=[0]),
        lambda manifest: manifest.pop("backbone_sha256"),
        lambda manifest: manifest.update(n_parameters=-1),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(
    copy: Path, model: HyperFlow, change: Callable[[dict[str, Any]], object]
) -> None:
    _edit(copy, change)

    with pytest.raises(TrainingError, match=r"simulate|parameters a point"):
        open_trajectories(copy, model)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]"])
def test_noise_is_no_manifest(copy: Path, model: HyperFlow, content: bytes) -> None:
    (copy / "manifest.json").write_bytes(content)

    with pytest.raises(TrainingError, match=r"manifest.json is not a manifest of trajectories"):
        open_trajectories(copy, model)


def test_a_folder_without_trajectories_says_how_to_make_some(model: HyperFlow, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no trajectories at .*; make some with hyperflow simulate"):
        open_trajectories(tmp_path, model)


def test_a_store_that_vanishes_while_it_is_read_names_the_file(copy: Path, model: HyperFlow) -> None:
    store = open_trajectories(copy, model)
    shutil.rmtree(copy)

    with pytest.raises(TrainingError, match=rf"{SHARD} could be read before and cannot now"):
        store.points(6)
