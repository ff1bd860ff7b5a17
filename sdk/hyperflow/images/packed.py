"""Image sets decoded once and kept as one array on disk, so that training never waits for a decoder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hyperflow.images.image_set import ImageSet
from hyperflow.images.preprocessing import Preprocessing, crop_and_resize

__all__ = ["PackedSet", "pack"]


@dataclass(frozen=True)
class PackedSet:
    """Images of one set, or of some of its classes, at one size.

    Attributes:
        name: The set's name.
        class_names: Sorted names.
        rows: For each class, the rows of its images in the array on disk.
    """

    name: str
    class_names: tuple[str, ...]
    rows: tuple[NDArray[np.int64], ...]
    _pixels: NDArray[np.uint8]

    @property
    def class_sizes(self) -> list[int]:
        """Number of images of each class."""
        return [len(rows) for rows in self.rows]

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Class of each image, (n,), ascending."""
        return np.repeat(np.arange(len(self.rows)), self.class_sizes)

    @cached_property
    def _all_rows(self) -> NDArray[np.int64]:
        return np.concatenate(self.rows)

    def images_rgb(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Pixels of some images, counted through the classes in order; uint8, (n, size_px, size_px, 3)."""
        return self._pixels[self._all_rows[index]]

    def of_classes(self, classes: NDArray[np.int64]) -> PackedSet:
        """The same set with some of its classes only, in ascending order."""
        kept = sorted(classes.tolist())
        return PackedSet(
            self.name, tuple(self.class_names[c] for c in kept), tuple(self.rows[c] for c in kept), self._pixels
        )


def _cache_path(image_set: ImageSet, rule: Preprocessing, cache: Path) -> Path:
    listing = "\n".join(member for members in image_set.classes.values() for member in members)
    digest = hashlib.sha256(f"{rule.size_px} {rule.resize} {rule.crop_fraction}\n{listing}".encode()).hexdigest()
    return cache / f"{image_set.name}-{rule.size_px}px-{digest[:12]}.npy"


def pack(
    image_set: ImageSet,
    rule: Preprocessing,
    cache: Path,
    *,
    size_px: int,
    progress: Callable[[int], None] | None = None,
) -> PackedSet:
    """Decode, crop and resize every image of a set, or open the array of an earlier call.

    Args:
        image_set: What to pack.
        rule: How images are cropped.
        cache: Folder for the arrays; made when absent.
        size_px: Side to store at: larger than the network's input, so that crops have something to cut.
        progress: Called with the number of images done since its last call.

    Raises:
        DataError: An image cannot be decoded.
    """
    rule = msgspec.structs.replace(rule, size_px=size_px)
    path = _cache_path(image_set, rule, cache)
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        shape = (image_set.n_images, size_px, size_px, 3)
        try:
            pixels = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
            members = (member for group in image_set.classes.values() for member in group)
            for row, member in enumerate(members):
                pixels[row] = crop_and_resize(image_set.image(member), rule)
                if progress is not None:
                    progress(1)
            pixels.flush()
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    elif progress is not None:
        progress(image_set.n_images)
    ends = np.cumsum([len(members) for members in image_set.classes.values()])
    rows = tuple(np.split(np.arange(ends[-1]), ends[:-1]))
    return PackedSet(image_set.name, tuple(image_set.classes), rows, np.load(path, mmap_mode="r"))
