"""Preprocessing: what the manifest's rule says, whichever way the camera orders its channels."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from hyperflow_runtime import FrameError
from hyperflow_runtime.bundle.manifest import Preprocessing
from hyperflow_runtime.bundle.reader import read_bundle
from hyperflow_runtime.preprocessing import crop_and_resize, normalise

RULE = Preprocessing(
    size_px=32,
    resize="centre_crop",
    crop_fraction=1.0,
    interpolation="bilinear_antialias",
    colour_order="rgb",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
SQUASH = replace(RULE, resize="squash")


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def test_a_square_of_the_right_size_is_kept_to_the_bit() -> None:
    bgr = noise(32, 32, 3)

    np.testing.assert_array_equal(crop_and_resize(bgr, RULE), bgr[:, :, ::-1])
    np.testing.assert_array_equal(crop_and_resize(bgr, SQUASH), bgr[:, :, ::-1])


@pytest.mark.parametrize("rule", [RULE, SQUASH, replace(RULE, crop_fraction=0.8)])
@pytest.mark.parametrize("shape", [(40, 50, 3), (300, 200, 3), (7, 5, 3)])
def test_rgb_gives_what_bgr_with_swapped_channels_gives(rule: Preprocessing, shape: tuple[int, ...]) -> None:
    bgr = noise(*shape)

    np.testing.assert_array_equal(crop_and_resize(bgr, rule), crop_and_resize(bgr[:, :, ::-1], rule, "rgb"))


def test_the_default_order_is_that_of_opencv() -> None:
    blue = np.zeros((40, 40, 3), np.uint8)
    blue[:, :, 0] = 255

    assert (crop_and_resize(blue, RULE) == (0, 0, 255)).all()
    assert (crop_and_resize(blue, RULE, "rgb") == (255, 0, 0)).all()


@pytest.mark.parametrize("order", ["bgr", "rgb"])
def test_grey_has_three_equal_channels_in_either_order(order: Literal["bgr", "rgb"]) -> None:
    grey = noise(40, 50)

    pixels = crop_and_resize(grey, RULE, order)

    np.testing.assert_array_equal(pixels, crop_and_resize(np.repeat(grey[:, :, None], 3, axis=2), RULE))
    np.testing.assert_array_equal(pixels, crop_and_resize(grey[:, :, None], RULE, order))


def test_alpha_and_sixteen_bits_change_nothing() -> None:
    bgr = noise(40, 50, 3)
    expected = crop_and_resize(bgr, RULE)

    np.testing.assert_array_equal(crop_and_resize(np.dstack([bgr, noise(40, 50)]), RULE), expected)
    np.testing.assert_array_equal(crop_and_resize(bgr.astype(np.uint16) * 257, RULE), expected)


def stripes(height: int, width: int, *, along: Literal["columns", "rows"]) -> NDArray[np.uint8]:
    """Grey with value 10 i in the i-th of eight equal stripes."""
    n = width if along == "columns" else height
    values = (np.arange(n) * 8 // n * 10).astype(np.uint8)
    return np.broadcast_to(values if along == "columns" else values[:, None], (height, width))


@pytest.mark.parametrize(("height", "width", "along"), [(32, 64, "columns"), (64, 32, "rows")])
def test_centre_crop_cuts_the_longer_side_at_both_ends(
    height: int, width: int, along: Literal["columns", "rows"]
) -> None:
    pixels = crop_and_resize(stripes(height, width, along=along), RULE)[:, :, 0]

    expected = np.repeat(np.array([20, 30, 40, 50], np.uint8), 8)
    np.testing.assert_array_equal(
        pixels, np.broadcast_to(expected if along == "columns" else expected[:, None], (32, 32))
    )


@pytest.mark.parametrize(("height", "width", "along"), [(32, 64, "columns"), (64, 32, "rows")])
def test_squash_keeps_both_ends(height: int, width: int, along: Literal["columns", "rows"]) -> None:
    pixels = crop_and_resize(stripes(height, width, along=along), SQUASH)[:, :, 0]
    line = pixels[0] if along == "columns" else pixels[:, 0]

    assert (pixels == (line if along == "columns" else line[:, None])).all()
    np.testing.assert_array_equal(line[1::4], np.arange(8) * 10)  # inside the stripes, which are 4 px wide now


def test_the_crop_fraction_is_that_of_the_shorter_side() -> None:
    frame = np.zeros((64, 96), np.uint8)
    frame[16:48, 32:64] = 200  # the middle half of the shorter side

    assert (crop_and_resize(frame, replace(RULE, crop_fraction=0.5)) == 200).all()
    assert (crop_and_resize(frame, RULE)[0] == 0).all()


@pytest.mark.parametrize("rule", [RULE, SQUASH, replace(RULE, crop_fraction=1e-9)])
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(height=st.integers(4, 200), width=st.integers(4, 200), value=st.integers(0, 255))
def test_a_frame_of_one_colour_stays_that_colour(rule: Preprocessing, height: int, width: int, value: int) -> None:
    pixels = crop_and_resize(np.full((height, width, 3), value, np.uint8), rule)

    assert pixels.shape == (32, 32, 3)
    assert (pixels == value).all()


@pytest.mark.parametrize("shape", [(4, 16_384), (16_384, 4)])
@pytest.mark.parametrize("rule", [RULE, SQUASH])
def test_the_most_oblong_frame_is_resized(shape: tuple[int, int], rule: Preprocessing) -> None:
    assert (crop_and_resize(np.full(shape, 7, np.uint8), rule) == 7).all()


def test_an_unknown_order_of_channels_is_refused() -> None:
    with pytest.raises(FrameError, match="colour_order must be 'bgr' or 'rgb', got 'hsv'"):
        crop_and_resize(noise(8, 8, 3), RULE, "hsv")  # type: ignore[arg-type]


def test_a_bad_frame_is_refused_here_too() -> None:
    with pytest.raises(FrameError, match="must be uint8 or uint16, got float64"):
        crop_and_resize(np.zeros((8, 8, 3)), RULE)


def test_normalising_scales_centres_and_transposes() -> None:
    images = np.zeros((2, 32, 32, 3), np.uint8)
    images[1, 3, 5] = (255, 51, 102)

    batch = normalise(images, RULE)

    assert batch.shape == (2, 3, 32, 32)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    black = [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    np.testing.assert_allclose(batch[0, :, 0, 0], black, rtol=1e-6)
    np.testing.assert_allclose(
        batch[1, :, 3, 5], [(1.0 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0.4 - 0.406) / 0.225], rtol=1e-5, atol=1e-6
    )
    assert (batch[1, :, 5, 3] == batch[0, :, 0, 0]).all()


def test_normalising_nothing_gives_nothing() -> None:
    assert normalise(np.zeros((0, 32, 32, 3), np.uint8), RULE).shape == (0, 3, 32, 32)


def test_the_rule_of_the_tiny_bundle_is_the_one_tested_here(tiny_bundle: Path) -> None:
    assert read_bundle(tiny_bundle).manifest.preprocessing == RULE
