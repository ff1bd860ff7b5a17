"""Image files become BGR frames; a file that is not a whole image is refused with its name."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hyperflow_runtime import FrameError, read_image

RGB = np.random.default_rng(0).integers(0, 256, (10, 12, 3)).astype(np.uint8)
GREY = RGB[:, :, 0].copy()


def as_bgr(grey: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.repeat(grey[:, :, None], 3, axis=2)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tiff", "a.webp", "no suffix", "wrong.jpg"])
def test_a_lossless_file_is_read_as_bgr(tmp_path: Path, name: str) -> None:
    file_format = {".bmp": "BMP", ".tiff": "TIFF", ".webp": "WEBP"}.get(Path(name).suffix, "PNG")
    Image.fromarray(RGB).save(tmp_path / name, file_format, **({"lossless": True} if file_format == "WEBP" else {}))

    frame = read_image(str(tmp_path / name))

    assert frame.dtype == np.uint8
    assert frame.flags.c_contiguous
    np.testing.assert_array_equal(frame, RGB[:, :, ::-1])


def test_a_jpeg_is_read_nearly_as_it_was(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)

    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - smooth[:, :, ::-1]).max() < 12


def test_a_grey_file_has_three_equal_channels(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")

    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), as_bgr(GREY))


def test_alpha_is_ignored(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([RGB, GREY])).save(tmp_path / "a.png")

    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), RGB[:, :, ::-1])


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(GREY % 2).convert("P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.save(tmp_path / "a.png")

    expected = np.array([[30, 20, 10], [50, 100, 200]], np.uint8)[GREY % 2]
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_of_grey_are_scaled_and_not_clipped(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / f"a{suffix}")

    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), as_bgr(GREY))


def test_one_bit_a_pixel_is_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(GREY > 127).save(tmp_path / "a.png")

    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), as_bgr(np.where(GREY > 127, 255, 0).astype(np.uint8)))


def test_the_orientation_is_left_alone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by a quarter
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)

    assert read_image(tmp_path / "a.png").shape == RGB.shape


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match=r"nowhere.jpg cannot be read as an image \(No such file or directory\)"):
        read_image(tmp_path / "nowhere.jpg")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")

    with pytest.raises(FrameError, match=r"a\.jpg is no image file: 0 bytes"):
        read_image(tmp_path / "a.jpg")


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="is no image file"):
        read_image(tmp_path)


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")

    with pytest.raises(FrameError, match="is no image file"):
        read_image(tmp_path / "a.jpg")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(2**40)

    with pytest.raises(FrameError, match=r"is no image file: 1099511627776 bytes; give a file of 1 byte to 256 MiB"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    "data",
    [
        b"mug\n",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\0\0\0\0WEBP",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
    ],
)
def test_a_file_that_only_looks_like_an_image_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(data)

    with pytest.raises(FrameError, match=r"a\.jpg cannot be read as an image .*; replace or remove it"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".eps", ".gif", ".ppm", ".ico"])
def test_a_format_that_is_not_promised_is_not_even_tried(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(RGB).save(tmp_path / f"a{suffix}")

    with pytest.raises(FrameError, match=r"cannot be read as an image \(cannot identify image file"):
        read_image(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    Image.fromarray(RGB).save(file)
    whole = file.read_bytes()
    for share in (0.1, 0.5, 0.8):
        file.write_bytes(whole[: int(share * len(whole))])

        with pytest.raises(FrameError, match=r"cannot be read as an image .*; replace or remove it"):
            read_image(file)


def test_a_file_20000_px_wide_is_refused(tmp_path: Path) -> None:
    Image.new("L", (20_000, 8)).save(tmp_path / "a.png")

    with pytest.raises(FrameError, match=r"a.png is 20000 x 8 px; sides must be 4\.\.16384 px"):
        read_image(tmp_path / "a.png")


def test_a_file_of_three_px_is_refused(tmp_path: Path) -> None:
    Image.new("L", (3, 3)).save(tmp_path / "a.png")

    with pytest.raises(FrameError, match=r"a.png is 3 x 3 px; sides must be 4\.\.16384 px"):
        read_image(tmp_path / "a.png")


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">L", 13) + body + struct.pack(">L", zlib.crc32(body))


@pytest.mark.parametrize("side", [20_000, 2**31 - 1])
def test_a_file_that_claims_a_giant_picture_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    (tmp_path / "a.png").write_bytes(png_header(side, side))

    with pytest.raises(FrameError, match=r"cannot be read as an image \(.*; replace or remove it"):
        read_image(tmp_path / "a.png")


def reads_or_is_refused(file: Path) -> bool:
    try:
        return bool(read_image(file).shape[2] == 3)
    except FrameError:
        return False


@pytest.mark.filterwarnings("ignore")  # Pillow warns about what it then refuses
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff"])
def test_a_file_changed_anywhere_is_read_or_refused(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    Image.fromarray(RGB).save(file)
    whole = file.read_bytes()
    outcomes = {reads_or_is_refused(file)}
    check = _property_of_changes(file, whole, outcomes)

    check()
    assert outcomes == {True, False}


def _property_of_changes(file: Path, whole: bytes, outcomes: set[bool]) -> Callable[[], None]:
    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=8))
    def check(changes: list[tuple[int, int]]) -> None:
        data = bytearray(whole)
        for at, value in changes:
            data[at % len(data)] = value
        file.write_bytes(data)
        outcomes.add(reads_or_is_refused(file))

    return check
