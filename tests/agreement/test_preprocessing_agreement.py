"""The sdk and the runtime make the same input of the same image, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from hyperflow.images import preprocessing as sdk
from hyperflow.images.image_set import open_image_set
from hyperflow_runtime import preprocessing as runtime
from hyperflow_runtime import read_image
from hyperflow_runtime.bundle import manifest

SIZES = [
    (16, 16), (17, 17), (31, 33), (33, 31), (64, 64), (65, 97), (97, 65), (5, 300), (300, 5), (128, 127), (127, 513),
    (500, 333), (641, 479), (1023, 769), (64, 1111),
]  # fmt: skip


def _rules(
    size_px: int, resize: Literal["centre_crop", "squash"] = "centre_crop", crop_fraction: float = 1.0
) -> tuple[sdk.Preprocessing, manifest.Preprocessing]:
    """One rule in the words of the sdk, and the same as a bundle says it."""
    rule = sdk.Preprocessing(size_px, resize, crop_fraction)
    said = {**msgspec.to_builtins(rule), "interpolation": "bilinear_antialias", "colour_order": "rgb"}
    return rule, msgspec.convert(said, manifest.Preprocessing)


def _pixels(width: int, height: int, channels: int = 3) -> NDArray[np.uint8]:
    rng = np.random.default_rng([width, height, channels])
    waves = np.sin(np.linspace(0, 9, width)[None] + np.linspace(0, 6, height)[:, None])[:, :, None]
    return (127 + 90 * waves + rng.normal(0, 30, (height, width, channels))).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("size_px", [16, 32, 63, 96])
@pytest.mark.parametrize(
    ("resize", "crop_fraction"),
    [("centre_crop", 1.0), ("centre_crop", 0.875), ("centre_crop", 0.37), ("squash", 1.0)],
    ids=["crop", "crop 7/8", "crop 0.37", "squash"],
)
def test_cropping_and_resizing_give_the_same_pixels(
    width: int, height: int, size_px: int, resize: Literal["centre_crop", "squash"], crop_fraction: float
) -> None:
    rule, said = _rules(size_px, resize, crop_fraction)
    rgb = _pixels(width, height)

    expected = sdk.crop_and_resize(Image.fromarray(rgb), rule)

    assert expected.std() > 5
    np.testing.assert_array_equal(runtime.crop_and_resize(rgb, said, "rgb"), expected)
    np.testing.assert_array_equal(runtime.crop_and_resize(rgb[:, :, ::-1], said, "bgr"), expected)
    np.testing.assert_array_equal(runtime.crop_and_resize(rgb[:, :, ::-1], said), expected)


@pytest.mark.parametrize(("width", "height"), [(33, 31), (127, 513)])
@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_frames_are_what_their_rgb_images_are(width: int, height: int, channels: int) -> None:
    rule, said = _rules(32)
    frame = _pixels(width, height, channels)
    image = Image.fromarray(frame[:, :, 0] if channels == 1 else frame).convert("RGB")

    np.testing.assert_array_equal(runtime.crop_and_resize(frame, said, "rgb"), sdk.crop_and_resize(image, rule))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif"])
def test_a_file_is_decoded_alike(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "pen").mkdir()
    Image.fromarray(_pixels(51, 37)).save(tmp_path / f"pen/a{suffix}")

    by_sdk = np.asarray(open_image_set(tmp_path).image(f"pen/a{suffix}"))

    np.testing.assert_array_equal(read_image(tmp_path / f"pen/a{suffix}")[:, :, ::-1], by_sdk)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "I;16"])
def test_a_file_of_another_mode_is_decoded_alike(mode: str, tmp_path: Path) -> None:
    (tmp_path / "pen").mkdir()
    if mode == "I;16":
        image = Image.fromarray(_pixels(51, 37)[:, :, 0].astype(np.uint16) * 257 + 13)
    else:
        image = Image.fromarray(_pixels(51, 37)).convert(mode)
    assert image.mode == mode
    image.save(tmp_path / "pen/a.png")

    by_sdk = np.asarray(open_image_set(tmp_path).image("pen/a.png"))

    assert by_sdk.std() > 5
    np.testing.assert_array_equal(read_image(tmp_path / "pen/a.png")[:, :, ::-1], by_sdk)


@pytest.mark.parametrize("size_px", [16, 33])
@pytest.mark.parametrize(
    ("mean", "std"),
    [((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)), ((0.0, 0.1, 0.2), (1, 2, 3))],
)
def test_normalising_gives_the_same_numbers(
    size_px: int, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> None:
    rule, said = _rules(size_px)
    rule, said = msgspec.structs.replace(rule, mean=mean, std=std), msgspec.structs.replace(said, mean=mean, std=std)
    batch = np.stack([_pixels(size_px, size_px), np.zeros((size_px, size_px, 3), np.uint8)])

    by_sdk = sdk.normalise(torch.from_numpy(batch), rule).numpy()
    by_runtime = runtime.normalise(batch, said)

    assert by_runtime.dtype == by_sdk.dtype == np.float32
    assert by_runtime.flags.c_contiguous
    np.testing.assert_allclose(by_runtime, by_sdk, atol=1e-6, rtol=0)
