"""From a decoded image to the network's input, and the packed arrays of whole sets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image

from hyperflow.errors import ConfigError, DataError
from hyperflow.images.image_set import open_image_set
from hyperflow.images.packed import PackedSet, pack
from hyperflow.images.preprocessing import Preprocessing, crop_and_resize, normalise
from hyperflow.images.tensors import as_unit_images, shrink


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size_px": 15}, "size_px must be 16..1024, got 15"),
        ({"size_px": 1025}, "size_px must be 16..1024, got 1025"),
        ({"size_px": 64, "crop_fraction": 0.0}, "crop_fraction must be in (0, 1], got 0.0"),
        ({"size_px": 64, "crop_fraction": 1.1}, "crop_fraction must be in (0, 1], got 1.1"),
        ({"size_px": 64, "std": (0.2, 0.0, 0.2)}, "every std must be above 0, got (0.2, 0.0, 0.2)"),
    ],
)
def test_a_value_out_of_its_range_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Preprocessing(**values)


def _thirds(width: int, height: int) -> Image.Image:
    """Red, green and blue side by side along the longer side."""
    along = np.arange(max(width, height)) * 3 // max(width, height)
    stripes = np.eye(3)[along] * 255
    pixels = np.broadcast_to(stripes if width >= height else stripes[:, None], (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.mark.parametrize(("width", "height"), [(96, 32), (32, 96)])
@pytest.mark.parametrize(("resize", "shares"), [("centre_crop", (0, 1, 0)), ("squash", (1 / 3, 1 / 3, 1 / 3))])
def test_a_centre_crop_keeps_the_middle_and_squash_keeps_everything(
    width: int, height: int, resize: Literal["centre_crop", "squash"], shares: tuple[float, ...]
) -> None:
    pixels = crop_and_resize(_thirds(width, height), Preprocessing(32, resize=resize))

    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels.mean(axis=(0, 1)) / 255, shares, atol=0.01)


def test_a_crop_fraction_keeps_that_share_of_the_shorter_side() -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[10:30, 10:30] = 255

    half = crop_and_resize(Image.fromarray(pixels), Preprocessing(16, crop_fraction=0.5))
    more = crop_and_resize(Image.fromarray(pixels), Preprocessing(16, crop_fraction=0.7))

    assert (half[1:-1, 1:-1] == 255).all()  # the filter sees a pixel beyond the edge of the crop
    assert (more[1, 1:-1] < 255).all()


def test_normalising_subtracts_the_mean_divides_by_the_deviation_and_puts_channels_first() -> None:
    rule = Preprocessing(16, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))
    images = torch.tensor([[255, 0, 51]], dtype=torch.uint8).expand(2, 16, 16, 3)

    values = normalise(images, rule)

    assert (values.shape, values.dtype) == ((2, 3, 16, 16), torch.float32)
    assert values.is_contiguous()
    torch.testing.assert_close(values[1, :, 3, 4], torch.tensor([1.0, -1.0, 0.2]))


def test_bytes_and_unit_floats_are_normalised_alike() -> None:
    images, rule = torch.randint(0, 256, (2, 16, 16, 3), dtype=torch.uint8), Preprocessing(16)

    torch.testing.assert_close(normalise(images.float() / 255, rule), normalise(images, rule))


def test_unit_images_and_shrinking_keep_range_and_mean() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 36, 36, 3)).astype(np.uint8)

    images = as_unit_images(pixels)
    small = shrink(images, 32)

    assert (images.shape, small.shape) == ((3, 3, 36, 36), (3, 3, 32, 32))
    assert images[1, 2, 5, 7].item() == pytest.approx(pixels[1, 5, 7, 2] / 255)
    assert 0 <= small.min() < small.max() <= 1
    torch.testing.assert_close(small.mean(), images.mean(), atol=5e-3, rtol=0)


@pytest.fixture
def packed(shape_sets: Path, tmp_path: Path) -> PackedSet:
    return pack(open_image_set(shape_sets / "disc"), Preprocessing(32), tmp_path / "cache", size_px=36)


def test_a_packed_set_holds_every_image_at_its_size(shape_sets: Path, packed: PackedSet) -> None:
    image_set = open_image_set(shape_sets / "disc")
    members = [member for group in image_set.classes.values() for member in group]

    assert packed.name == "disc"
    assert packed.class_names == tuple(image_set.classes)
    assert packed.class_sizes == [14] * 8
    assert packed.labels.tolist() == sorted(list(range(8)) * 14)
    index = np.array([0, 15, 111])
    expected = [crop_and_resize(image_set.image(members[row]), Preprocessing(36)) for row in index]
    np.testing.assert_array_equal(packed.images_rgb(index), np.stack(expected))


def test_a_second_call_opens_the_cache_and_gives_the_same(shape_sets: Path, tmp_path: Path, packed: PackedSet) -> None:
    done: list[int] = []
    (cached,) = (tmp_path / "cache").iterdir()
    written = cached.stat().st_mtime_ns

    again = pack(
        open_image_set(shape_sets / "disc"), Preprocessing(32), tmp_path / "cache", size_px=36, progress=done.append
    )

    every = np.arange(112)
    np.testing.assert_array_equal(again.images_rgb(every), packed.images_rgb(every))
    assert (again.class_names, again.class_sizes) == (packed.class_names, packed.class_sizes)
    assert done == [112]
    assert [file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()] == [written]


@pytest.mark.parametrize(
    ("rule", "size_px"),
    [
        (Preprocessing(32), 40),
        (Preprocessing(32, resize="squash"), 36),
        (Preprocessing(32, crop_fraction=0.5), 36),
    ],
)
def test_another_crop_has_a_cache_of_its_own(
    rule: Preprocessing, size_px: int, shape_sets: Path, tmp_path: Path, packed: PackedSet
) -> None:
    other = pack(open_image_set(shape_sets / "disc"), rule, tmp_path / "cache", size_px=size_px)

    assert other.images_rgb(np.array([0])).shape == (1, size_px, size_px, 3)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_progress_is_reported_image_by_image_when_nothing_is_cached(shape_sets: Path, tmp_path: Path) -> None:
    done: list[int] = []
    pack(open_image_set(shape_sets / "cross"), Preprocessing(32), tmp_path, size_px=32, progress=done.append)

    assert done == [1] * 112


def test_some_classes_of_a_packed_set_keep_their_images(packed: PackedSet) -> None:
    part = packed.of_classes(np.array([6, 2]))

    assert part.class_names == ("colour2", "colour6")
    assert part.labels.tolist() == [0] * 14 + [1] * 14
    whole_rows = np.concatenate([np.arange(28, 42), np.arange(84, 98)])
    np.testing.assert_array_equal(part.images_rgb(np.arange(28)), packed.images_rgb(whole_rows))
    last = part.of_classes(np.array([1]))
    np.testing.assert_array_equal(last.images_rgb(np.arange(14)), packed.images_rgb(np.arange(84, 98)))


def test_a_set_with_a_torn_image_is_not_cached(tmp_path: Path) -> None:
    folder = tmp_path / "desk/pen"
    folder.mkdir(parents=True)
    Image.new("RGB", (20, 20)).save(folder / "a.png")
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:40])
    image_set = open_image_set(tmp_path / "desk")

    for _ in range(2):
        with pytest.raises(DataError, match=r"desk/pen/b.png cannot be decoded"):
            pack(image_set, Preprocessing(32), tmp_path / "cache", size_px=36)

    assert list((tmp_path / "cache").iterdir()) == []
