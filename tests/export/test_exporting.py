"""Exports that fail leave nothing behind, and never touch what is no bundle."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from hyperflow.checkpoint import save_checkpoint
from hyperflow.errors import CheckpointError, DataError
from hyperflow.model import HyperFlow
from hyperflow_export import exporting, reference
from hyperflow_export.bundle_writing import staged_output, write_files
from hyperflow_export.errors import ExportError, OutputExistsError, ParityError
from hyperflow_export.exporting import ExportOptions, Stage, export_bundle
from hyperflow_export.graphs import export_backbone
from hyperflow_runtime.bundle.manifest import Limits
from hyperflow_runtime.bundle.reader import read_bundle

SMALL = Limits(max_batch=8, max_support=24, max_ways=6)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.usefixtures("traced_before")
def test_an_export_announces_its_stages_as_they_end(checkpoint: Path, tmp_path: Path) -> None:
    stages: list[Stage] = []

    report = export_bundle(ExportOptions(checkpoint, tmp_path / "a.hyperflow", limits=SMALL), announce=stages.append)

    assert tuple(stages) == report.stages
    assert len(stages) == 5
    assert report.output == tmp_path / "a.hyperflow"


@pytest.mark.usefixtures("traced_before")
def test_real_images_add_comparisons_of_their_own(checkpoint: Path, photos: Path, tmp_path: Path) -> None:
    report = export_bundle(ExportOptions(checkpoint, tmp_path / "a.hyperflow", images=photos, limits=SMALL))

    names = [check.name for check in report.checks]
    random_names = [name for name in names if name.startswith("random: ")]
    assert [name for name in names if name.startswith("real: ")] == [
        name.replace("random", "real") for name in random_names
    ]
    stored = read_bundle(report.output).reference()
    assert stored["real.images_rgb"].shape == (15, 32, 32, 3)
    assert stored["real.labels_onehot"].sum(axis=0).tolist() == [5, 5, 5]


@pytest.mark.usefixtures("traced_before")
@pytest.mark.parametrize("text", [None, "# Tiny\n\nNot for use.\n"])
def test_a_model_card_travels_with_the_model(tiny_model: HyperFlow, tmp_path: Path, text: str | None) -> None:
    save_checkpoint(tiny_model, tmp_path / "checkpoint")
    if text is not None:
        (tmp_path / "checkpoint/MODEL_CARD.md").write_text(text)

    report = export_bundle(ExportOptions(tmp_path / "checkpoint", tmp_path / "a.hyperflow", limits=SMALL))

    card = (report.output / "MODEL_CARD.md").read_text()
    assert card == (text or "# Model card\n\nThe checkpoint had none.\n")


@pytest.mark.usefixtures("traced_before")
def test_a_model_that_was_calibrated_to_stay_at_theta_0_can_be_exported(tiny_model: HyperFlow, tmp_path: Path) -> None:
    save_checkpoint(tiny_model, tmp_path / "checkpoint")
    path = tmp_path / "checkpoint/config.json"
    config = msgspec.json.decode(path.read_bytes())
    config["device"] |= {"step_size": 0.0, "candidates": [0.0], "penalties": [0.0]}
    path.write_bytes(msgspec.json.encode(config))

    report = export_bundle(ExportOptions(tmp_path / "checkpoint", tmp_path / "a.hyperflow", limits=SMALL))

    manifest = read_bundle(report.output).manifest
    assert (manifest.adaptation.step_size, manifest.adaptation.candidates) == (0.0, (0.0,))


def _spoil_features(arrays: dict[str, Any]) -> None:
    arrays["random.features"] = arrays["random.features"] * 1.01


def _spoil_theta(arrays: dict[str, Any]) -> None:
    arrays["random.theta"] = np.roll(arrays["random.theta"], 1)


def _spoil_scores(arrays: dict[str, Any]) -> None:
    arrays["random.scores"] = arrays["random.scores"][:, ::-1]


@pytest.mark.usefixtures("traced_before")
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_spoil_features, "2 of 9 comparisons with torch failed, first 'random: adapted features'"),
        (_spoil_theta, "1 of 9 comparisons with torch failed, first 'random: theta after 2 steps'"),
        (_spoil_scores, "1 of 9 comparisons with torch failed, first 'random: adapted scores'"),
    ],
)
@pytest.mark.parametrize("replaces", [False, True], ids=["new", "replacing"])
def test_graphs_that_disagree_with_torch_are_not_written(
    spoil: Callable[[dict[str, Any]], None], message: str, replaces: bool, checkpoint: Path, bundle_copy: Path,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def spoilt(*args: Any) -> dict[str, Any]:
        arrays: dict[str, Any] = reference.reference_arrays(*args)
        spoil(arrays)
        return arrays

    monkeypatch.setattr(exporting, "reference_arrays", spoilt)
    output = bundle_copy if replaces else tmp_path / "new.hyperflow"
    before = _contents(tmp_path)

    with pytest.raises(ParityError, match=rf"^{message} \(max abs .*, cosine .*\); nothing was written$"):
        export_bundle(ExportOptions(checkpoint, output, limits=SMALL, force=replaces))

    assert _contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["copy.hyperflow"]


def test_an_existing_bundle_is_left_alone_unless_told_otherwise(checkpoint: Path, bundle_copy: Path) -> None:
    before = _contents(bundle_copy)

    with pytest.raises(OutputExistsError, match=r"copy.hyperflow exists; add --force to replace it, or choose another"):
        export_bundle(ExportOptions(checkpoint, bundle_copy))

    assert _contents(bundle_copy) == before


def _write_folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.txt").write_text("years of work")


@pytest.mark.parametrize(
    "write",
    [_write_folder, Path.mkdir, lambda path: path.write_text("a file"), lambda path: path.symlink_to("nowhere")],
    ids=["folder", "empty folder", "file", "dangling link"],
)
def test_force_replaces_nothing_but_a_bundle(write: Callable[[Path], object], checkpoint: Path, tmp_path: Path) -> None:
    write(tmp_path / "mine")
    before = _contents(tmp_path)

    with pytest.raises(OutputExistsError, match="exists and is no bundle, so it is left alone; choose another name"):
        export_bundle(ExportOptions(checkpoint, tmp_path / "mine", force=True))

    assert _contents(tmp_path) == before
    assert (tmp_path / "mine").is_symlink() or (tmp_path / "mine").exists()


@pytest.mark.usefixtures("traced_before")
def test_force_replaces_a_bundle_whole(checkpoint: Path, bundle_copy: Path, tmp_path: Path) -> None:
    (bundle_copy / "adapt.onnx").write_bytes(b"torn")
    (bundle_copy / "left over").touch()

    export_bundle(ExportOptions(checkpoint, bundle_copy, limits=SMALL, force=True))

    assert read_bundle(bundle_copy).manifest.name == "tiny"
    assert not (bundle_copy / "left over").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["copy.hyperflow"]


def test_force_on_a_link_replaces_the_link_and_not_what_it_names(bundle_copy: Path, tmp_path: Path) -> None:
    bundle, before = read_bundle(bundle_copy), _contents(bundle_copy)
    (tmp_path / "link.hyperflow").symlink_to(bundle_copy)
    files = {name: (bundle_copy / name).read_bytes() for name in bundle.manifest.files}

    with staged_output(tmp_path / "link.hyperflow", force=True) as staging:
        write_files(staging, files, bundle.manifest)

    assert not (tmp_path / "link.hyperflow").is_symlink()
    assert _contents(bundle_copy) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.hyperflow", "link.hyperflow"]


WRITE_WITH_LITTLE_SPACE = """
import resource, sys
from pathlib import Path
from hyperflow_export.bundle_writing import staged_output, write_files
from hyperflow_export.errors import ExportError
from hyperflow_runtime.bundle.reader import read_bundle

old = Path(sys.argv[1])
bundle = read_bundle(old)
files = {name: (old / name).read_bytes() for name in bundle.manifest.files}
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
try:
    with staged_output(Path(sys.argv[2]), force=True) as staging:
        write_files(staging, files, bundle.manifest)
except ExportError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["copy.hyperflow", "new.hyperflow"])
def test_a_disk_that_fills_up_leaves_the_old_bundle_whole(name: str, bundle_copy: Path, tmp_path: Path) -> None:
    before = _contents(tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", WRITE_WITH_LITTLE_SPACE, bundle_copy, tmp_path / name],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout == f"{tmp_path / name} cannot be written (File too large); nothing was changed\n"
    assert _contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["copy.hyperflow"]


def test_a_rename_that_fails_half_way_puts_the_old_bundle_back(
    bundle_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = _contents(tmp_path), os.rename

    def failing(source: Path, target: Path) -> None:
        if target == bundle_copy and not str(source).endswith("-old"):
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    message = r"copy.hyperflow cannot be written \(Input/output error\); nothing was changed"
    with pytest.raises(ExportError, match=message), staged_output(bundle_copy, force=True) as staging:
        (staging / "manifest.json").touch()

    assert _contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["copy.hyperflow"]


def test_a_place_that_cannot_hold_a_bundle_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ExportError, match=r"a.hyperflow cannot be written \((Not a directory|File exists)\)"):
        export_bundle(ExportOptions(checkpoint, tmp_path / "file/a.hyperflow"))


def test_a_bundle_has_exactly_its_files(bundle_copy: Path, tmp_path: Path) -> None:
    manifest = read_bundle(bundle_copy).manifest

    message = "a bundle has the files MODEL_CARD.md, adapt.onnx, backbone.onnx, reference.npz, theta0.npy, got a.onnx"
    with pytest.raises(ExportError, match=re.escape(message)):
        write_files(tmp_path, {"a.onnx": b""}, manifest)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"checkpoint": Path("nowhere")}, CheckpointError, "no checkpoint at nowhere"),
        ({"images": Path("nowhere")}, DataError, "nowhere holds no image set"),
    ],
)
@pytest.mark.usefixtures("traced_before")
def test_what_cannot_be_read_leaves_nothing_behind(
    options: dict[str, Any], error: type[Exception], message: str, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        export_bundle(ExportOptions(**{"checkpoint": checkpoint, "output": tmp_path / "a.hyperflow", **options}))

    assert list(tmp_path.iterdir()) == []


class _Untraceable(torch.nn.Module):
    """Branches on a value, which no static graph can."""

    def forward(self, images: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3)) if images.sum().item() > 0 else theta[None]


def test_a_network_that_cannot_be_traced_is_named(tiny_model: HyperFlow) -> None:
    broken = HyperFlow(tiny_model.config).eval()
    network = _Untraceable()
    network.theta_0 = broken.backbone.theta_0
    broken.backbone = network  # type: ignore[assignment]

    with pytest.raises(ExportError, match="_Untraceable cannot be traced to ONNX"):
        export_backbone(broken, SMALL)
