"""Images to compare graphs on: the user's own where given, and always random ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperflow.images.image_set import open_image_sets
from hyperflow_runtime.bundle.manifest import Preprocessing
from hyperflow_runtime.preprocessing import crop_and_resize

__all__ = ["random_images", "real_images"]

Pixels = NDArray[np.uint8]


def random_images(n: int, size_px: int, rng: np.random.Generator) -> Pixels:
    """Images with structure at all scales, since white noise drives a network into one corner; (n, s, s, 3)."""
    total = np.zeros((n, size_px, size_px, 3))
    cells = 2
    while cells <= size_px:
        coarse = rng.standard_normal((n, cells, cells, 3))
        index = np.arange(size_px) * cells // size_px
        total += coarse[:, index][:, :, index] / np.sqrt(cells)
        cells *= 2
    low, high = total.min(axis=(1, 2, 3), keepdims=True), total.max(axis=(1, 2, 3), keepdims=True)
    return np.asarray((total - low) / (high - low) * 255, dtype=np.uint8)


def real_images(folder: Path, n: int, rule: Preprocessing) -> tuple[Pixels, list[int]]:
    """Take up to `n` images from the user's folder, spread over its classes.

    Args:
        folder: Sets or classes, as `hyperflow evaluate` takes them.
        n: Most images.
        rule: Crop and size.

    Returns:
        Pixels (n, s, s, 3) and the number of each image's class.

    Raises:
        hyperflow.errors.DataError: No images there.
    """
    pixels: list[Pixels] = []
    labels: list[int] = []
    for image_set in open_image_sets(folder):
        by_round: Sequence[Sequence[str | None]] = list(zip_longest(*image_set.classes.values()))
        class_of = {member: c for c, group in enumerate(image_set.classes.values()) for member in group}
        for member in chain.from_iterable(by_round):
            if member is not None and len(pixels) < n:
                image = np.asarray(image_set.image(member))
                pixels.append(crop_and_resize(image, rule, "rgb"))
                labels.append(class_of[member])
    return np.stack(pixels), labels
