"""Frames of every kind a camera gives become 8-bit arrays; all others are refused with a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import FrameError
from hyperflow_runtime.frames import as_eight_bit

RNG = np.random.default_rng(0)
BGR = RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8)
GREY = BGR[:, :, 0].copy()


ACCEPTED: list[tuple[str, NDArray[Any], NDArray[np.uint8]]] = [
    ("bgr", BGR, BGR),
    ("grey", GREY, GREY),
    ("grey with an axis", GREY[:, :, None], GREY),
    ("bgra, alpha dropped", np.dstack([BGR, GREY]), BGR),
    ("16 bits", BGR.astype(np.uint16) * 257, BGR),
    ("16 bits, grey", GREY.astype(np.uint16) * 257, GREY),
    ("every second column", np.repeat(BGR, 2, axis=1)[:, ::2], BGR),
    ("upside down and back", BGR[::-1].copy()[::-1], BGR),
    ("column-major", np.asfortranarray(BGR), BGR),
    ("read-only", np.broadcast_to(GREY[:, :1], (6, 9)), np.repeat(GREY[:, :1], 9, axis=1)),
    ("smallest", np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)),
]


@pytest.mark.parametrize(("frame", "expected"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_a_frame_of_a_camera_becomes_eight_bit(frame: NDArray[Any], expected: NDArray[np.uint8]) -> None:
    before = frame.copy()

    result = as_eight_bit(frame)

    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(frame, before)


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (256, 0), (257, 1), (511, 1), (32_896, 128), (65_279, 254), (65_535, 255)]
)
def test_sixteen_bits_are_read_as_0_to_65535(value: int, expected: int) -> None:
    assert (as_eight_bit(np.full((5, 5), value, np.uint16)) == expected).all()


BAD_SHAPES = [(), (3,), (5, 5, 2), (5, 5, 5), (5, 5, 0), (2, 5, 5, 3), (1, 1, 5, 5, 3)]


@pytest.mark.parametrize("shape", BAD_SHAPES)
def test_a_frame_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(FrameError, match=r"must be \(H, W, 3\), \(H, W, 4\), \(H, W, 1\) or \(H, W\), got shape"):
        as_eight_bit(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint32", "bool", "complex64"]
)
def test_a_frame_of_other_numbers_is_refused(dtype: str) -> None:
    with pytest.raises(FrameError, match=rf"must be uint8 or uint16, got {dtype}; scale to 0\.\.255 and convert"):
        as_eight_bit(np.zeros((8, 8, 3), dtype))


def test_a_frame_of_objects_is_refused() -> None:
    with pytest.raises(FrameError, match="must be uint8 or uint16, got object"):
        as_eight_bit(np.full((8, 8), None))


@pytest.mark.parametrize("frame", [None, "mug.jpg", b"\xff\xd8", 3, [[0, 0], [0, 0]], memoryview(b"0000")])
def test_what_is_no_array_is_refused(frame: Any) -> None:
    with pytest.raises(
        FrameError, match=f"must be a numpy array, got {type(frame).__name__}; use read_image for files"
    ):
        as_eight_bit(frame)


SIZES = [
    (3, 64, "64 x 3"),
    (64, 3, "3 x 64"),
    (0, 64, "64 x 0"),
    (64, 0, "0 x 64"),
    (20_000, 64, "64 x 20000"),
    (64, 20_000, "20000 x 64"),
    (16_384, 16_384, "16384 x 16384"),
    (10_001, 10_000, "10000 x 10001"),
]


@pytest.mark.parametrize(("height", "width", "size"), SIZES)
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_a_frame_too_small_or_too_large_is_refused_without_a_copy(
    height: int, width: int, size: str, channels: tuple[int, ...]
) -> None:
    frame = np.broadcast_to(np.zeros(channels, np.uint16), (height, width, *channels))  # takes no memory

    with pytest.raises(
        FrameError, match=rf"the frame is {size} px; sides must be 4\.\.16384 px and the area at most 100"
    ):
        as_eight_bit(frame)


def test_the_longest_side_is_still_accepted() -> None:
    assert as_eight_bit(np.zeros((4, 16_384), np.uint8)).shape == (4, 16_384)
