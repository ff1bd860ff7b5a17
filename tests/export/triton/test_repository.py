"""Model repositories on disk: their layout, what is beside them, and what must not be touched."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperflow_export.errors import ExportError, OutputExistsError
from hyperflow_export.triton import swapping
from hyperflow_export.triton.naming import checked_name
from hyperflow_export.triton.repository import write_repository
from hyperflow_export.triton.serving import Serving
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.errors import BundleError

Snapshot = Callable[[Path], dict[str, tuple[bytes, int]]]


def rewrite_manifest(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text()) | changes
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_repository_holds_two_models_with_the_bundle_s_own_bytes(
    bundle: Bundle, tiny_bundle: Path, tmp_path: Path
) -> None:
    report = write_repository(bundle, tmp_path / "deep/models")

    files = {str(file.relative_to(report.repository)) for file in report.repository.rglob("*") if file.is_file()}
    per_version = ("1/model.onnx", "1/manifest.json", "1/MODEL_CARD.md", "config.pbtxt")
    assert files == {f"tiny_{part}/{file}" for part in ("backbone", "adapt") for file in per_version}
    for part in ("backbone", "adapt"):
        version = report.repository / f"tiny_{part}/1"
        assert (version / "model.onnx").read_bytes() == (tiny_bundle / f"{part}.onnx").read_bytes()
        assert (version / "manifest.json").read_bytes() == (tiny_bundle / "manifest.json").read_bytes()
    assert (report.models, report.version) == (("tiny_backbone", "tiny_adapt"), 1)
    assert {file.path: file.size_bytes for file in report.files} == {
        file: (report.repository / file).stat().st_size for file in files
    }
    assert [path.name for path in report.repository.parent.iterdir()] == ["models"]
    assert report.repository.stat().st_mode & 0o005 == 0o005  # the server is often another user


def test_a_second_bundle_leaves_what_is_there_as_it_is(bundle: Bundle, repository: Path, snapshot: Snapshot) -> None:
    (repository / "resnet/1").mkdir(parents=True)
    (repository / "resnet/config.pbtxt").write_text('name: "resnet"')
    before = snapshot(repository)

    write_repository(bundle, repository, name="other")

    after = snapshot(repository)
    assert {file: after[file] for file in before} == before
    assert {Path(file).parts[0] for file in after.keys() - before.keys()} == {"other_backbone", "other_adapt"}
    assert [path.name for path in repository.parent.iterdir()] == [repository.name]


def test_a_version_is_replaced_by_force_alone(bundle: Bundle, repository: Path, snapshot: Snapshot) -> None:
    before = snapshot(repository)

    with pytest.raises(OutputExistsError) as raised:
        write_repository(bundle, repository)

    assert str(raised.value) == (
        f"{repository}/tiny_backbone has a version 1; add --force to replace it, or --version 2 to serve both"
    )
    assert snapshot(repository) == before
    (repository / "tiny_adapt/1/left-over").touch()
    write_repository(bundle, repository, force=True, serving=Serving("cpu"))
    assert {file for file, _ in snapshot(repository).items()} == set(before)
    assert "KIND_CPU" in (repository / "tiny_adapt/config.pbtxt").read_text()


def test_a_new_version_is_served_beside_the_old_one_and_named_by_its_bundle(
    bundle: Bundle, repository: Path, snapshot: Snapshot
) -> None:
    rewrite_manifest(repository / "tiny_backbone/1", licence="another")  # as if version 1 were of another bundle
    rewrite_manifest(repository / "tiny_adapt/1", licence="another")
    before = snapshot(repository / "tiny_adapt/1")

    report = write_repository(bundle, repository, version=2)

    assert snapshot(repository / "tiny_adapt/1") == before
    config = (repository / "tiny_adapt/config.pbtxt").read_text()
    assert f'"hyperflow_bundle_2" value {{ string_value: "{bundle.sha256}" }}' in config
    assert '"hyperflow_bundle_1" value' in config
    assert config.count(bundle.sha256) == 1
    assert sorted(file.path for file in report.files if "adapt/2" in file.path) == [
        f"tiny_adapt/2/{name}" for name in ("MODEL_CARD.md", "manifest.json", "model.onnx")
    ]


def test_versions_of_different_shapes_cannot_share_a_model(
    bundle: Bundle, repository: Path, snapshot: Snapshot
) -> None:
    rewrite_manifest(repository / "tiny_adapt/1", feature_dim=999)
    before = snapshot(repository)

    with pytest.raises(OutputExistsError, match=r"version 1 of tiny_adapt takes .*999.*, so choose another --name"):
        write_repository(bundle, repository, version=2)

    assert snapshot(repository) == before


@pytest.mark.parametrize("config", ['name: "tiny_adapt"\n', "", None], ids=["hand-written", "empty", "none"])
def test_a_model_of_somebody_else_is_left_alone_even_by_force(
    bundle: Bundle, repository: Path, snapshot: Snapshot, config: str | None
) -> None:
    file = repository / "tiny_adapt/config.pbtxt"
    file.unlink() if config is None else file.write_text(config)
    before = snapshot(repository)

    with pytest.raises(OutputExistsError, match="tiny_adapt exists and was not written by hyperflow-export"):
        write_repository(bundle, repository, force=True)

    assert snapshot(repository) == before


def test_a_model_that_is_a_link_is_left_alone(bundle: Bundle, repository: Path, tmp_path: Path) -> None:
    os.rename(repository / "tiny_adapt", tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", repository / "tiny_adapt")

    with pytest.raises(OutputExistsError, match="so it is left alone"):
        write_repository(bundle, repository, force=True)

    assert (tmp_path / "elsewhere/1/model.onnx").is_file()


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"schema": 99}', b"[" * 100_000])
def test_a_version_whose_manifest_cannot_be_read_is_left_alone(
    bundle: Bundle, repository: Path, snapshot: Snapshot, data: bytes
) -> None:
    (repository / "tiny_adapt/1/manifest.json").write_bytes(data)
    before = snapshot(repository)

    with pytest.raises(OutputExistsError, match=r"tiny_adapt/1 holds no manifest\.json that this version reads"):
        write_repository(bundle, repository, version=2)

    assert snapshot(repository) == before


@pytest.mark.parametrize("failing", range(4))
def test_a_move_that_fails_takes_the_others_back(
    bundle: Bundle, repository: Path, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    before, moves, rename = snapshot(repository), [], os.rename

    def rename_but_one(source: Path, target: Path) -> None:
        moves.append(source)
        if len(moves) == failing + 1:
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(swapping.os, "rename", rename_but_one)

    with pytest.raises(ExportError, match=r"models cannot be written \(No space left on device\); nothing was changed"):
        write_repository(bundle, repository, force=True, serving=Serving("cpu"))

    assert snapshot(repository) == before
    assert [path.name for path in repository.parent.iterdir()] == [repository.name]


def test_a_place_that_cannot_be_a_repository_is_named(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(OutputExistsError, match="file exists and is no folder; choose another place"):
        write_repository(bundle, tmp_path / "file")
    with pytest.raises(ExportError, match=r"file/models cannot be written \(.*\); nothing was changed"):
        write_repository(bundle, tmp_path / "file/models")

    assert (tmp_path / "file").read_text() == "mine"


def test_graphs_that_are_not_what_the_manifest_says_are_not_written(bundle: Bundle, tmp_path: Path) -> None:
    swapped = dataclasses.replace(bundle, adapt_onnx=bundle.backbone_onnx)

    with pytest.raises(BundleError, match=r"adapt.onnx has inputs .*images"):
        write_repository(swapped, tmp_path / "models")

    assert list(tmp_path.iterdir()) == []


def test_a_card_that_was_changed_meanwhile_is_not_written(bundle: Bundle, bundle_copy: Path, tmp_path: Path) -> None:
    (bundle_copy / "MODEL_CARD.md").write_text("all rights are mine")

    with pytest.raises(BundleError, match=r"MODEL_CARD\.md was changed since the bundle was read; try again"):
        write_repository(dataclasses.replace(bundle, path=bundle_copy), tmp_path / "models")

    assert not (tmp_path / "models").exists()


def test_a_version_below_one_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="a version is 1 or more, got 0"):
        write_repository(bundle, tmp_path / "models", version=0)


@pytest.mark.parametrize("name", ["", ".", "..", "../desk", "/desk", "a b", "désk", "desk\n", '"', "-desk", "d" * 101])
def test_a_name_that_is_no_plain_folder_is_refused_before_anything_is_written(
    bundle: Bundle, tmp_path: Path, name: str
) -> None:
    named = dataclasses.replace(bundle, manifest=type(bundle.manifest)(**fields_of(bundle) | {"name": name}))

    with pytest.raises(ExportError, match=r"cannot name a model: a name is 1 to 100 letters, digits.*--name"):
        write_repository(named, tmp_path / "models")
    write_repository(named, tmp_path / "models", name="desk")

    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["desk_adapt", "desk_backbone"]


def fields_of(bundle: Bundle) -> dict[str, Any]:
    return {field: getattr(bundle.manifest, field) for field in bundle.manifest.__struct_fields__}


@given(st.text(max_size=30))
def test_a_name_that_passes_is_one_part_of_a_path_and_of_a_url(name: str) -> None:
    try:
        checked_name(name)
    except ExportError:
        return
    assert Path("models", name).parts == ("models", name)
    assert name.isascii()
    assert not set(name) & set('/\\?#%&" ')
