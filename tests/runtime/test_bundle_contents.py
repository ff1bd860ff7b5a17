"""Right hashes are not enough: what the files of a bundle hold has to agree with its manifest."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import BackendError, BundleError, open_bundle
from hyperflow_runtime.bundle.reader import read_bundle

EditManifest = Callable[[Path, Callable[[dict[str, Any]], object]], None]
ReplaceFile = Callable[[Path, str, bytes], None]
N_PARAMETERS = 144


def npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npy_header(text: str) -> bytes:
    data = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(data).to_bytes(2, "little") + data


def with_one(value: float) -> NDArray[np.float32]:
    theta = np.zeros(N_PARAMETERS, np.float32)
    theta[7] = value
    return theta


BAD_THETAS = [
    (npy(np.zeros(N_PARAMETERS - 1, np.float32)), r"is float32 \(143,\), the manifest says float32 \(144,\)"),
    (npy(np.zeros(N_PARAMETERS + 1, np.float32)), r"is float32 \(145,\), the manifest says float32 \(144,\)"),
    (npy(np.zeros((N_PARAMETERS, 1), np.float32)), r"is float32 \(144, 1\), the manifest says"),
    (npy(np.zeros(N_PARAMETERS, np.float64)), r"is float64 \(144,\), the manifest says float32"),
    (npy(np.zeros(N_PARAMETERS, np.int32)), r"is int32 \(144,\), the manifest says float32"),
    (npy(np.zeros(N_PARAMETERS, ">f4")), r"is >f4 \(144,\), the manifest says float32"),
    (npy(with_one(np.nan)), "holds NaN or infinity; export the bundle again"),
    (npy(with_one(np.inf)), "holds NaN or infinity; export the bundle again"),
    (npy(np.array([None] * N_PARAMETERS)), "arrays of object are not accepted"),
    (npy(np.zeros(N_PARAMETERS, [("x", np.float32)])), r"arrays of \[\('x', '<f4'\)\] are not accepted"),
    (npy(np.zeros(N_PARAMETERS, np.float32))[:-4], "needs 576 bytes, but 572 follow"),
    (npy(np.zeros(N_PARAMETERS, np.float32)) + b"\0", "needs 576 bytes, but 577 follow"),
    (npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}"), "but 0 follow"),
    (npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -144)}"), "but 0 follow"),
    (npy_header("((("), "the .npy header cannot be read"),
    (b"", "theta0.npy: "),
    (b"garbage", "theta0.npy: "),
]


@pytest.mark.parametrize(("data", "message"), BAD_THETAS)
def test_a_start_value_that_disagrees_with_the_manifest_is_refused(
    bundle_copy: Path, replace_file: ReplaceFile, data: bytes, message: str
) -> None:
    replace_file(bundle_copy, "theta0.npy", data)

    with pytest.raises(BundleError, match=message):
        open_bundle(bundle_copy)


def test_a_start_value_of_other_numbers_is_read(bundle_copy: Path, replace_file: ReplaceFile) -> None:
    replace_file(bundle_copy, "theta0.npy", npy(with_one(0.25)))

    np.testing.assert_array_equal(read_bundle(bundle_copy).theta_0, with_one(0.25))


def test_a_start_value_in_fortran_order_is_read(bundle_copy: Path, replace_file: ReplaceFile) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': True, 'shape': ({N_PARAMETERS},)}}"
    replace_file(bundle_copy, "theta0.npy", npy_header(header) + with_one(0.5).tobytes())

    np.testing.assert_array_equal(read_bundle(bundle_copy).theta_0, with_one(0.5))


def swap_graphs(bundle: Path, replace_file: ReplaceFile) -> None:
    backbone, adapt = (bundle / "backbone.onnx").read_bytes(), (bundle / "adapt.onnx").read_bytes()
    replace_file(bundle, "backbone.onnx", adapt)
    replace_file(bundle, "adapt.onnx", backbone)


def test_swapped_graphs_are_told_apart(bundle_copy: Path, replace_file: ReplaceFile) -> None:
    swap_graphs(bundle_copy, replace_file)

    with pytest.raises(BundleError, match=r"backbone.onnx has inputs \['features', 'labels_onehot', 'step_size'\]"):
        open_bundle(bundle_copy)


@pytest.mark.parametrize(("name", "twin"), [("adapt.onnx", "backbone.onnx"), ("backbone.onnx", "adapt.onnx")])
def test_one_graph_twice_is_refused(bundle_copy: Path, replace_file: ReplaceFile, name: str, twin: str) -> None:
    replace_file(bundle_copy, name, (bundle_copy / twin).read_bytes())

    with pytest.raises(BundleError, match=f"{name} has inputs .*, expected"):
        open_bundle(bundle_copy)


DISAGREEMENTS: list[tuple[tuple[str, ...], object, str]] = [
    (("feature_dim",), 32, r"backbone.onnx: output features is tensor\(float\) .*, the manifest says \(None, 32\)"),
    (("preprocessing", "size_px"), 64, r"backbone.onnx: input images .*, the manifest says \(None, 3, 64, 64\)"),
    (("adaptation", "n_steps"), 3, r"adapt.onnx: output step_norms .*, the manifest says \(3,\)"),
]


@pytest.mark.parametrize(("path", "value", "message"), DISAGREEMENTS)
def test_a_graph_of_other_shapes_than_the_manifest_says_is_refused(
    bundle_copy: Path, edit_manifest: EditManifest, path: tuple[str, ...], value: object, message: str
) -> None:
    def change(manifest: dict[str, Any]) -> None:
        node = manifest
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value

    edit_manifest(bundle_copy, change)

    with pytest.raises(BundleError, match=message):
        open_bundle(bundle_copy)


def test_a_theta_of_another_length_than_the_graphs_take_is_refused(
    bundle_copy: Path, edit_manifest: EditManifest, replace_file: ReplaceFile
) -> None:
    replace_file(bundle_copy, "theta0.npy", npy(np.zeros(N_PARAMETERS - 1, np.float32)))
    edit_manifest(bundle_copy, lambda manifest: manifest["theta"][-1].update(size=15))

    with pytest.raises(BundleError, match=r"backbone.onnx: input theta .* \[144\], the manifest says \(143,\)"):
        open_bundle(bundle_copy)


GARBAGE = [b"", b"garbage", b"\0" * 100, b"\xff" * 100, b'{"schema": 1}']


@pytest.mark.parametrize("name", ["backbone.onnx", "adapt.onnx"])
@pytest.mark.parametrize("data", GARBAGE)
def test_a_graph_of_garbage_with_the_right_hash_is_refused(
    bundle_copy: Path, replace_file: ReplaceFile, name: str, data: bytes
) -> None:
    replace_file(bundle_copy, name, data)

    with pytest.raises(BackendError, match=rf"onnxruntime .* refuses {name} \("):
        open_bundle(bundle_copy)


@pytest.mark.parametrize("name", ["backbone.onnx", "adapt.onnx"])
def test_a_torn_graph_with_the_right_hash_is_refused(bundle_copy: Path, replace_file: ReplaceFile, name: str) -> None:
    whole = (bundle_copy / name).read_bytes()
    for end in range(len(whole) // 20, len(whole), len(whole) // 10):
        replace_file(bundle_copy, name, whole[:end])

        with pytest.raises((BackendError, BundleError), match=name):
            open_bundle(bundle_copy)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 torn", npy(np.zeros(3))])
def test_a_reference_that_is_no_npz_is_refused_when_it_is_asked_for(
    bundle_copy: Path, replace_file: ReplaceFile, data: bytes
) -> None:
    replace_file(bundle_copy, "reference.npz", data)
    bundle = read_bundle(bundle_copy)

    with pytest.raises(BundleError, match=r"reference.npz: not a whole .npz file \(.*\); export the bundle again"):
        bundle.reference()
