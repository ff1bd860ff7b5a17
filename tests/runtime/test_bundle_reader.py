"""A bundle is read whole or not at all: every missing, torn or changed file is named."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperflow_runtime import BackendError, BundleError, open_bundle
from hyperflow_runtime.bundle.manifest import BUNDLE_FILES
from hyperflow_runtime.bundle.reader import read_bundle

EditManifest = Callable[[Path, Callable[[dict[str, Any]], object]], None]
SHA256 = hashlib.sha256(b"").hexdigest()


def spoil_missing(file: Path) -> None:
    file.unlink()


def spoil_truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def spoil_empty(file: Path) -> None:
    file.write_bytes(b"")


def spoil_extra_byte(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def spoil_one_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def spoil_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def spoil_symlink_loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


def spoil_dangling_symlink(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


def spoil_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


SPOILS: dict[Callable[[Path], None], str] = {
    spoil_missing: "is missing; copy the whole bundle again",
    spoil_truncated: r"has \d+ bytes, expected \d+; copy the bundle again",
    spoil_empty: r"has 0 bytes, expected \d+; copy the bundle again",
    spoil_extra_byte: r"has \d+ bytes, expected \d+; copy the bundle again",
    spoil_one_byte: "was changed: its hash is not the one in manifest.json; copy the bundle again",
    spoil_directory: "is missing; copy the whole bundle again",
    spoil_symlink_loop: "is missing; copy the whole bundle again",
    spoil_dangling_symlink: "is missing; copy the whole bundle again",
    spoil_pipe: "is missing; copy the whole bundle again",
}


def test_a_good_bundle_opens_and_says_what_it_is(tiny_bundle: Path) -> None:
    with open_bundle(tiny_bundle) as model:
        assert model.manifest.name == "tiny"
        assert model.backend == "onnxruntime (CPU)"
        assert model.session().labels == ()


def test_a_bundle_holds_what_its_files_hold(tiny_bundle: Path) -> None:
    bundle = read_bundle(str(tiny_bundle))

    assert bundle.path == tiny_bundle
    assert bundle.sha256 == hashlib.sha256((tiny_bundle / "manifest.json").read_bytes()).hexdigest()
    assert bundle.backbone_onnx == (tiny_bundle / "backbone.onnx").read_bytes()
    assert bundle.adapt_onnx == (tiny_bundle / "adapt.onnx").read_bytes()
    np.testing.assert_array_equal(bundle.theta_0, np.load(tiny_bundle / "theta0.npy"))
    assert bundle.theta_0.shape == (bundle.manifest.n_parameters,)


def test_the_reference_is_the_one_that_numpy_reads(tiny_bundle: Path) -> None:
    reference = read_bundle(tiny_bundle).reference()

    with np.load(tiny_bundle / "reference.npz") as expected:
        assert set(reference) == set(expected.files)
        for name in expected.files:
            np.testing.assert_array_equal(reference[name], expected[name])


def test_a_file_that_the_manifest_does_not_name_is_left_alone(bundle_copy: Path) -> None:
    (bundle_copy / "notes.txt").write_text("mine")

    assert read_bundle(bundle_copy).manifest.name == "tiny"


def test_a_symlink_to_the_right_bytes_is_fine(bundle_copy: Path, tiny_bundle: Path) -> None:
    (bundle_copy / "backbone.onnx").unlink()
    (bundle_copy / "backbone.onnx").symlink_to(tiny_bundle / "backbone.onnx")

    assert read_bundle(bundle_copy).backbone_onnx == read_bundle(tiny_bundle).backbone_onnx


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle at .*nowhere: manifest.json cannot be read \(No such file"):
        open_bundle(tmp_path / "nowhere")


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle at .*: manifest.json cannot be read \(No such file"):
        open_bundle(tmp_path)


def test_a_file_is_no_bundle(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"no bundle at .*: manifest.json cannot be read \(Not a directory"):
        open_bundle(tiny_bundle / "theta0.npy")


@pytest.mark.parametrize("spoil", [spoil_directory, spoil_pipe])
def test_a_manifest_that_is_no_file_is_refused_without_waiting(
    bundle_copy: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(bundle_copy / "manifest.json")

    with pytest.raises(BundleError, match=r"manifest.json is not a file of at most \d+ bytes"):
        open_bundle(bundle_copy)


def test_a_manifest_in_a_symlink_loop_is_refused(bundle_copy: Path) -> None:
    spoil_symlink_loop(bundle_copy / "manifest.json")

    with pytest.raises(BundleError, match=r"manifest.json cannot be read \(Too many levels of symbolic links"):
        open_bundle(bundle_copy)


@pytest.mark.parametrize("name", BUNDLE_FILES)
@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
def test_a_spoiled_file_is_named_and_refused(bundle_copy: Path, name: str, spoil: Callable[[Path], None]) -> None:
    spoil(bundle_copy / name)

    with pytest.raises(BundleError, match=f"{name} {SPOILS[spoil]}"):
        open_bundle(bundle_copy)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", "", "theta0.npy\0", "./theta0.npy"])
def test_no_file_name_of_a_manifest_leaves_the_folder(
    bundle_copy: Path, edit_manifest: EditManifest, name: str
) -> None:
    def redirect(manifest: dict[str, Any]) -> None:
        manifest["files"][name] = manifest["files"].pop("theta0.npy")

    (bundle_copy.parent / "x").write_bytes((bundle_copy / "theta0.npy").read_bytes())
    edit_manifest(bundle_copy, redirect)

    with pytest.raises(BundleError, match=r"files must be exactly MODEL_CARD\.md, adapt.onnx"):
        open_bundle(bundle_copy)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "extra.bin"])
def test_a_manifest_names_no_further_file(bundle_copy: Path, edit_manifest: EditManifest, name: str) -> None:
    entry = {"sha256": SHA256, "size_bytes": 0}
    edit_manifest(bundle_copy, lambda manifest: manifest["files"].update({name: entry}))

    with pytest.raises(BundleError, match=f"files must be exactly .*, got .*{name}"):
        open_bundle(bundle_copy)


def test_a_renamed_bundle_is_the_same_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    renamed = Path(shutil.copytree(tiny_bundle, tmp_path / "anything at all"))

    assert read_bundle(renamed).sha256 == read_bundle(tiny_bundle).sha256


def test_an_unknown_backend_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(BackendError, match="no backend 'openvino'; choose 'auto', 'onnxruntime', 'tensorrt'"):
        open_bundle(tiny_bundle, "openvino")  # type: ignore[arg-type]


@pytest.mark.parametrize("n_threads", [0, -1])
def test_less_than_one_thread_is_refused(tiny_bundle: Path, n_threads: int) -> None:
    with pytest.raises(BackendError, match=f"n_threads must be at least 1, got {n_threads}"):
        open_bundle(tiny_bundle, n_threads=n_threads)


def test_both_names_of_the_backend_open_the_same(tiny_bundle: Path) -> None:
    with open_bundle(tiny_bundle, "auto") as auto, open_bundle(tiny_bundle, "onnxruntime", n_threads=2) as named:
        assert auto.backend == named.backend
