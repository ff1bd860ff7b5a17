"""Images to compare graphs on: random ones with structure, and the user's own, spread over their classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperflow.errors import DataError
from hyperflow_export.reference import reference_tasks
from hyperflow_export.sample_images import random_images, real_images
from hyperflow_runtime.bundle.manifest import Preprocessing

RULE = Preprocessing(32, "centre_crop", 1.0, "bilinear_antialias", "rgb", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_random_images_fill_the_range_and_have_structure_at_coarse_scale() -> None:
    images = random_images(10, 32, np.random.default_rng(0))

    assert images.shape == (10, 32, 32, 3)
    assert images.dtype == np.uint8
    assert (images.min(axis=(1, 2, 3)) == 0).all()
    assert (images.max(axis=(1, 2, 3)) == 255).all()
    quarters = images.reshape(10, 2, 16, 2, 16, 3).mean(axis=(2, 4))
    noise = np.random.default_rng(0).integers(0, 256, images.shape).reshape(10, 2, 16, 2, 16, 3).mean(axis=(2, 4))
    assert quarters.std() > 3 * noise.std()


def test_random_images_follow_from_their_generator() -> None:
    first, again, other = (random_images(2, 17, np.random.default_rng(seed)) for seed in (0, 0, 1))

    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(("n", "counts"), [(15, [5, 5, 5]), (99, [5, 5, 5]), (6, [2, 2, 2]), (4, [2, 1, 1])])
def test_real_images_are_spread_over_their_classes(photos: Path, n: int, counts: list[int]) -> None:
    pixels, labels = real_images(photos, n, RULE)

    assert pixels.shape == (sum(counts), 32, 32, 3)
    assert np.bincount(labels).tolist() == counts
    brightest = pixels.mean(axis=(1, 2)).argmax(axis=1)  # each class has a colour of its own
    assert brightest.tolist() == labels


def test_without_images_there_is_the_random_task_alone() -> None:
    (task,) = reference_tasks(RULE, None, seed=0)

    assert (task.name, task.images_rgb.shape) == ("random", (24, 32, 32, 3))
    assert task.labels_onehot.sum(axis=0).tolist() == [4] * 6


def test_images_of_one_class_only_are_divided_by_turns(tmp_path: Path) -> None:
    (tmp_path / "pen").mkdir()
    for index in range(5):
        Image.new("RGB", (40, 40), (50 * index, 0, 0)).save(tmp_path / "pen" / f"{index}.png")

    _, task = reference_tasks(RULE, tmp_path, seed=0)

    assert task.name == "real"
    assert task.labels_onehot.argmax(axis=1).tolist() == [0, 1, 0, 1, 0]


def test_a_torn_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "pens/pen").mkdir(parents=True)
    (tmp_path / "pens/pen/a.jpg").write_bytes(b"\xff\xd8\xff")

    with pytest.raises(DataError, match=r"pens/pen/a.jpg cannot be decoded"):
        real_images(tmp_path, 5, RULE)
