"""Arrays from files are plain numbers of the size they claim, or a ValueError; nothing is unpickled or inflated."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hyperflow_runtime.arrays import read_npy, read_npz

MIB = 2**20


def npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npy_header(text: str, tail: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + tail


def npz(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


ARRAYS: list[NDArray[Any]] = [
    np.arange(12, dtype=np.float32).reshape(3, 4),
    np.asfortranarray(np.arange(12, dtype=np.float64).reshape(3, 4)),
    np.array(2.5, np.float16),
    np.zeros((0, 16), np.float32),
    np.arange(5, dtype=np.int64),
    np.arange(5, dtype=">u2"),
    np.full((2, 3, 4), 255, np.uint8),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_an_array_is_read_as_numpy_reads_it(array: NDArray[Any]) -> None:
    read = read_npy(npy(array))

    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


def test_the_second_version_of_the_format_is_read() -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, ARRAYS[0], version=(2, 0))

    np.testing.assert_array_equal(read_npy(buffer.getvalue()), ARRAYS[0])


def test_all_arrays_of_an_npz_are_read() -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=ARRAYS[0], b=ARRAYS[4])

    read = read_npz(buffer.getvalue(), max_bytes=MIB)

    assert set(read) == {"a", "b"}
    np.testing.assert_array_equal(read["a"], ARRAYS[0])
    np.testing.assert_array_equal(read["b"], ARRAYS[4])


FLOAT = "'descr': '<f4', 'fortran_order': False, 'shape': "
BAD_NPY = [
    (b"", "EOF|expected"),
    (b"\x93NUM", "EOF|expected"),
    (b"not an array at all", "magic string is not correct"),
    (b"\x93NUMPY\x03\x00" + npy(ARRAYS[0])[8:], r"version \(3, 0\) is not supported"),
    (npy(ARRAYS[0])[:50], "the .npy header cannot be read"),
    (npy(ARRAYS[0])[:-1], r"shape \(3, 4\) needs 48 bytes, but 47 follow"),
    (npy(ARRAYS[0]) + b"\0", r"shape \(3, 4\) needs 48 bytes, but 49 follow"),
    (npy(np.array([None, 1])), "arrays of object are not accepted"),
    (npy(np.array([{"a": print}], object)), "arrays of object are not accepted"),
    (npy(np.array(["text"])), "arrays of <U4 are not accepted"),
    (npy(np.array([b"bytes"])), r"arrays of \|S5 are not accepted"),
    (npy(np.array([True])), "arrays of bool are not accepted"),
    (npy(np.array([1j])), "arrays of complex128 are not accepted"),
    (npy(np.array(["2020-01-01"], "M8[D]")), "are not accepted"),
    (npy_header("{" + FLOAT + "(4611686018427387904,)}"), "but 0 follow"),
    (npy_header("{" + FLOAT + "(1099511627776, 1099511627776)}"), "but 0 follow"),
    (npy_header("{" + FLOAT + "(-1, -4)}"), "needs 16 bytes, but 0 follow"),
    (npy_header("{" + FLOAT + "(-1, -1)}", b"\0" * 4), "can only specify one unknown dimension|reshape|negative"),
    (npy_header("{" + FLOAT + "(" + "1," * 100 + ")}", b"\0" * 4), "maximum supported dimension"),
    (npy_header("((("), "the .npy header cannot be read"),
    (npy_header("{1: 2, 'a': 3}"), "the .npy header cannot be read"),
    (npy_header("{[]: 1}"), "the .npy header cannot be read"),
    (npy_header("  x\n y\n  '''"), "the .npy header cannot be read"),
    (npy_header("-" * 9000 + "1"), "the .npy header cannot be read"),
    (npy_header("{'descr': (), 'fortran_order': False, 'shape': (1,)}"), "the .npy header cannot be read"),
    (npy_header("{'descr': '<f4', 'fortran_order': 7, 'shape': (1,)}"), "the .npy header cannot be read"),
    (npy_header("__import__('os').abort()"), "the .npy header cannot be read"),
]


@pytest.mark.parametrize(("data", "message"), BAD_NPY)
def test_a_file_that_is_no_plain_array_is_a_value_error(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_npy(data)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_in_an_array_is_never_run(tmp_path: Path) -> None:
    trap = Trap(tmp_path / "sprung")
    data = npz({"a.npy": npy(np.array([trap], object))})

    with pytest.raises(ValueError, match="arrays of object are not accepted"):
        read_npz(data, max_bytes=MIB)

    assert not trap.path.exists()
    pickle.loads(pickle.dumps(trap))
    assert trap.path.exists(), "the trap has no spring, so the test shows nothing"


def test_a_zip_bomb_is_refused_before_it_is_inflated() -> None:
    bomb = npz({"a.npy": npy(np.zeros(64 * MIB, np.uint8))})

    assert len(bomb) < MIB
    with pytest.raises(ValueError, match=r"1 members of \d+ bytes exceed 64 of 1048576"):
        read_npz(bomb, max_bytes=MIB)


def test_many_small_members_are_refused() -> None:
    data = npz({f"{index}.npy": npy(ARRAYS[0]) for index in range(65)})

    with pytest.raises(ValueError, match=r"65 members of \d+ bytes exceed 64 of"):
        read_npz(data, max_bytes=MIB)


def test_a_member_that_is_larger_than_its_entry_says_is_refused() -> None:
    data = npz({"a.npy": npy(np.zeros(MIB, np.uint8))})
    true_size, claimed = struct.pack("<L", MIB + 128), struct.pack("<L", 1000)

    assert data.count(true_size) == 2  # in the member's header and in the directory
    with pytest.raises(ValueError, match=r"not a whole \.npz file"):
        read_npz(data.replace(true_size, claimed), max_bytes=4 * MIB)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_numpy_would_not_have_written_is_refused(compression: int) -> None:
    with pytest.raises(ValueError, match="a member is compressed in another way than numpy does"):
        read_npz(npz({"a.npy": npy(ARRAYS[0])}, compression), max_bytes=MIB)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"PK\x05\x06" + b"\0" * 17, npy(ARRAYS[0])])
def test_a_file_that_is_no_zip_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a whole \.npz file"):
        read_npz(data, max_bytes=MIB)


WHOLE_NPZ = {
    compression: npz({"a.npy": npy(ARRAYS[0]), "b.npy": npy(ARRAYS[4])}, compression)
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
}
CHANGES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(whole=st.sampled_from(sorted(WHOLE_NPZ.values())), changes=CHANGES, end=st.none() | st.integers(0, 10_000))
def test_an_npz_changed_anywhere_gives_arrays_or_a_value_error(
    whole: bytes, changes: list[tuple[int, int]], end: int | None
) -> None:
    data = bytearray(whole)
    for at, value in changes:
        data[at % len(data)] = value
    try:
        arrays = read_npz(bytes(data if end is None else data[: end % len(data)]), max_bytes=MIB)
    except ValueError:
        return
    assert all(array.dtype.kind in "fiu" for array in arrays.values())


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(header=st.text("{}()[]'\",:<f4 -+0123456789TrueFalsedescrfortran_ordershape\n\\jLxu", max_size=80))
def test_no_header_of_an_npy_gets_an_exception_of_another_kind_out(header: str) -> None:
    with pytest.raises(ValueError, match="npy"):
        read_npy(npy_header(header))
