"""Reading named arrays, and the hash that tells one set of weights from another whatever file it came in."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from hyperflow.backbones.weight_arrays import read_weight_arrays, weights_sha256
from hyperflow.errors import CheckpointError

Arrays = dict[str, NDArray[np.float32]]
NAMED = st.dictionaries(
    st.text("abc_", min_size=1, max_size=4),
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=3), elements=st.floats(-1, 1, width=16)),
    min_size=1,
    max_size=4,
)


@settings(deadline=None)
@given(arrays=NAMED)
def test_the_hash_sees_names_shapes_and_values_but_neither_order_nor_layout(arrays: Arrays) -> None:
    digest, name = weights_sha256(arrays), sorted(arrays)[0]
    array = arrays[name]

    assert weights_sha256(dict(reversed(arrays.items()))) == digest
    assert weights_sha256({n: np.asfortranarray(a).astype(">f8") for n, a in arrays.items()}) == digest
    assert weights_sha256(arrays | {name: array + 1}) != digest
    assert weights_sha256(arrays | {name: array[None]}) != digest
    assert weights_sha256({n if n != name else name + "x": a for n, a in arrays.items()}) != digest
    assert weights_sha256(arrays | {"other": array}) != digest


@settings(deadline=None)
@given(arrays=NAMED)
def test_a_file_gives_back_what_was_written(arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("arrays") / "weights.npz"
    np.savez(path, allow_pickle=False, **arrays)

    assert weights_sha256(read_weight_arrays(path)) == weights_sha256(arrays)


def test_a_file_that_unpacks_to_more_than_a_gibibyte_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    np.savez_compressed(path, allow_pickle=False, a=np.zeros(100))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 2**31 - 1)  # the size that the directory claims
    path.write_bytes(data)

    with pytest.raises(CheckpointError, match=r"weights.npz unpacks to 2147483647 bytes; weights of more than 1 GiB"):
        read_weight_arrays(path)


def test_an_array_that_claims_more_than_it_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    np.savez(path, allow_pickle=False, a=np.zeros(100))
    path.write_bytes(path.read_bytes().replace(b"(100,)", b"(999,)"))

    with pytest.raises(CheckpointError, match=r"weights.npz is not a readable .npz file"):
        read_weight_arrays(path)


def test_where_the_export_package_is_not_installed_an_onnx_file_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [])  # where announcements of packages are looked for

    with pytest.raises(
        CheckpointError,
        match=r"net.ONNX is an ONNX file; reading it needs hyperflow_export: pip install 'hyperflow\[export\]'",
    ):
        read_weight_arrays(Path("net.ONNX"))
