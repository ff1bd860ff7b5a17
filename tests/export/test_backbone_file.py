"""Reading weights out of ONNX files that strangers made: initialisers only, and only those inside."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hyperflow.backbones.weight_arrays import read_weight_arrays, weights_sha256
from hyperflow.commands.main import main
from hyperflow.errors import CheckpointError
from hyperflow_export.backbone_file import onnx_weight_arrays, read_backbone_file, read_onnx_weights
from hyperflow_export.errors import ExportError

Arrays = dict[str, NDArray[np.float32]]
WEIGHTS: Arrays = {
    "kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2), "shift": np.array([0.5, -1.5], np.float32)
}  # fmt: skip


def _model(arrays: Arrays = WEIGHTS) -> onnx.ModelProto:
    """One convolution over the initialisers, and the shape constant that old exporters leave among them."""
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    tensors.append(numpy_helper.from_array(np.array([0, -1]), "shape"))
    image = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 8, 8])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 2, 7, 7])
    node = helper.make_node("Conv", ["data", "kernel", "shift"], ["out"])
    model: onnx.ModelProto = helper.make_model(helper.make_graph([node], "net", [image], [out], tensors))
    return model


def _write(path: Path, edit: Callable[[onnx.GraphProto], object] = lambda graph: None) -> Path:
    model = _model()
    edit(model.graph)
    path.write_bytes(model.SerializeToString())
    return path


def test_the_float_initialisers_come_out_as_they_went_in(tmp_path: Path) -> None:
    path = _write(tmp_path / "net.onnx")

    for read in (read_onnx_weights, read_backbone_file, onnx_weight_arrays):
        arrays = read(path)
        assert arrays.keys() == WEIGHTS.keys()
        assert all(np.array_equal(arrays[name], value) for name, value in WEIGHTS.items())


def test_numbers_stored_one_by_one_are_read_like_raw_bytes(tmp_path: Path) -> None:
    def unpack(graph: onnx.GraphProto) -> None:
        graph.initializer[0].CopyFrom(
            helper.make_tensor("kernel", TensorProto.FLOAT, [2, 3, 2, 2], WEIGHTS["kernel"].flatten())
        )
        assert not graph.initializer[0].raw_data

    arrays = read_onnx_weights(_write(tmp_path / "net.onnx", unpack))

    assert weights_sha256(arrays) == weights_sha256(WEIGHTS)


def test_an_npz_of_the_same_arrays_has_the_same_hash(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", allow_pickle=False, **WEIGHTS)

    arrays = read_backbone_file(tmp_path / "net.npz")

    assert weights_sha256(arrays) == weights_sha256(read_onnx_weights(_write(tmp_path / "net.onnx")))


def _point_outside(graph: onnx.GraphProto) -> None:
    tensor = graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret.bin")
    tensor.ClearField("raw_data")


def _set_dims(*dims: int) -> Callable[[onnx.GraphProto], None]:
    def edit(graph: onnx.GraphProto) -> None:
        graph.initializer[0].dims[:] = dims

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_point_outside, "'kernel' lies in another file, and no file that a file names is opened"),
        (lambda g: g.initializer[1].external_data.add(key="location", value="/etc/passwd"), "'shift' lies in another"),
        (lambda g: g.initializer.append(g.initializer[1]), "holds 'shift' twice"),
        (_set_dims(2, 3, 2, 3), r"'kernel' claims the shape \(2, 3, 2, 3\), but holds 24 numbers"),
        (_set_dims(2**31, 2**31, 2**31), r"'kernel' claims the shape \(2147483648, .*but holds 24 numbers"),
        (_set_dims(-1, 3, -2, 4), r"'kernel' claims the shape \(-1, 3, -2, 4\), but holds 24 numbers"),
        (lambda g: setattr(g.initializer[1], "raw_data", b"12345"), "'shift' claims the shape .* but holds 1 numbers"),
        (lambda g: g.initializer[1].ClearField("raw_data"), "'shift' claims the shape .* but holds 0 numbers"),
        (lambda g: g.ClearField("initializer"), "holds no float32 weights"),
    ],
    ids=[
        "outside",
        "outside by key alone",
        "twice",
        "too large",
        "far too large",
        "negative",
        "odd bytes",
        "no bytes",
        "none",
    ],
)
def test_a_file_that_lies_or_points_elsewhere_is_refused(
    edit: Callable[[onnx.GraphProto], object], message: str, tmp_path: Path
) -> None:
    (tmp_path / "secret.bin").write_bytes(WEIGHTS["kernel"].tobytes())
    (tmp_path / "folder").mkdir()
    path = _write(tmp_path / "folder/net.onnx", edit)

    with pytest.raises(ExportError, match=message):
        read_onnx_weights(path)
    with pytest.raises(CheckpointError, match=message):
        onnx_weight_arrays(path)


@settings(deadline=None)
@given(n_kept=st.integers(0, len(_model().SerializeToString()) - 1))
def test_a_torn_file_is_refused_or_gives_whole_arrays(n_kept: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("torn") / "net.onnx"
    path.write_bytes(_model().SerializeToString()[:n_kept])

    found = None
    with contextlib.suppress(ExportError):
        found = weights_sha256(read_onnx_weights(path))

    assert found in (None, weights_sha256(WEIGHTS))  # torn after the graph, only the list of operator sets is lost


@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("bytes") / "net.onnx"
    path.write_bytes(data)

    with pytest.raises(ExportError):
        read_onnx_weights(path)


def test_a_missing_a_huge_and_another_kind_of_file_are_named(tmp_path: Path) -> None:
    with (tmp_path / "huge.onnx").open("wb") as file:
        file.truncate(2**28 + 1)

    with pytest.raises(ExportError, match=r"none.onnx cannot be read \(No such file"):
        read_backbone_file(tmp_path / "none.onnx")
    with pytest.raises(ExportError, match=r"huge.onnx is larger than 256 MiB"):
        read_backbone_file(tmp_path / "huge.onnx")
    with pytest.raises(ExportError, match=r"net.pth is neither .onnx nor .npz"):
        read_backbone_file(tmp_path / "net.pth")


def test_the_commands_of_the_sdk_find_the_reader_by_its_announcement(tmp_path: Path) -> None:
    assert weights_sha256(read_weight_arrays(_write(tmp_path / "net.onnx"))) == weights_sha256(WEIGHTS)

    (tmp_path / "torn.onnx").write_bytes(b"\x08")
    spec = f"mobilenet_v2:{tmp_path / 'torn.onnx'}"
    result = CliRunner().invoke(main, ["start", "--backbone", spec, "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "torn.onnx is not a whole ONNX file" in result.stderr
    assert len(result.stderr.splitlines()) == 1
