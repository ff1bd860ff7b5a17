"""A set of images in classes, listed at once and decoded one by one; and the plainest of layouts, `CLASS/IMAGE`.

`hyperflow.datasets` reads the field's other layouts into the same `ImageSet`.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from hyperflow.errors import DataError
from hyperflow.images.open_files import OpenFiles
from hyperflow.images.structure import Structure

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_IMAGE_BYTES",
    "FolderSource",
    "ImageSet",
    "ImageSource",
    "open_image_set",
    "open_image_sets",
]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
MAX_IMAGE_BYTES = 1 << 28  # an image file, or its pixels, above 256 MiB is a mistake or an attack

_DECODER_ERRORS = (OSError, ValueError, SyntaxError, TypeError, KeyError, Image.DecompressionBombError)
_MEMBER_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)  # torn, encrypted, unknown compression


class ImageSource(Protocol):
    """Where the images of a set come from."""

    def open(self, member: str) -> Image.Image:
        """Find one image; Pillow may read its pixels later, from memory."""
        ...


class FolderSource:
    """Files below a folder; none stays open."""

    def __init__(self, path: Path) -> None:
        """Read below `path`; members are relative paths."""
        self._path = path

    def open(self, member: str) -> Image.Image:
        path = self._path / member
        _check_size(path.stat().st_size)
        return Image.open(io.BytesIO(path.read_bytes()))


class _ZipSource:
    """Members of a zip file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        try:
            with _OPEN_ZIPS.use(self._path) as archive:
                return archive.namelist()
        except zipfile.BadZipFile as error:
            raise DataError(f"{self._path} is not a readable zip file ({error}); copy it again") from error

    def open(self, member: str) -> Image.Image:
        with _OPEN_ZIPS.use(self._path) as archive:
            _check_size(archive.getinfo(member).file_size)
            return Image.open(io.BytesIO(archive.read(member)))


_OPEN_ZIPS = OpenFiles(zipfile.ZipFile)


def _check_size(n_bytes: int) -> None:
    if n_bytes > MAX_IMAGE_BYTES:
        raise ValueError(f"{n_bytes:,} bytes, more than the {MAX_IMAGE_BYTES:,} that an image may have")


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, in one of Pillow's several spellings; convert would cut it off at 255
        image = Image.fromarray((np.asarray(image).astype(np.uint16) // 257).astype(np.uint8))
    return image.convert("RGB")


class ImageSet:
    """Images in classes, listed at once and decoded only when asked for.

    Attributes:
        name: The set's name; with a seed and a number it determines an episode.
        classes: Class name to the images of that class. Class numbers and rows count in this order.
        structure: What is known about the classes beyond their images, if anything.
    """

    def __init__(
        self,
        name: str,
        classes: Mapping[str, Sequence[str]],
        source: ImageSource,
        structure: Structure | None = None,
    ) -> None:
        """Describe a set; `open_image_set` and `hyperflow.datasets` do so for files."""
        self.name = name
        self.classes: dict[str, Sequence[str]] = dict(classes)
        self.structure = structure
        self._source = source
        self._groups = list(self.classes.values())
        self._ends = list(accumulate(self.class_sizes))

    @property
    def class_sizes(self) -> list[int]:
        """Number of images of each class."""
        return [len(images) for images in self.classes.values()]

    @property
    def n_images(self) -> int:
        """Number of images over all classes."""
        return self._ends[-1] if self._ends else 0

    def member(self, row: int) -> str:
        """Return the name of an image by its row, counted through the classes in order.

        Args:
            row: 0..n_images-1, as episodes name images.

        Raises:
            IndexError: The row is out of range.
        """
        if not 0 <= row < self.n_images:
            raise IndexError(f"row {row} of {self.n_images} images")
        number = bisect_right(self._ends, row)
        group = self._groups[number]
        return group[row - self._ends[number] + len(group)]

    def image(self, member: str) -> Image.Image:
        """Decode one image as RGB.

        Args:
            member: One of the names in `classes`.

        Raises:
            DataError: The bytes are no image, or only a part of one.
        """
        try:
            with self._source.open(member) as image:
                return _as_rgb(image)
        except (*_DECODER_ERRORS, *_MEMBER_ERRORS) as error:
            raise DataError(
                f"{self.name}/{member} cannot be decoded ({error}); remove it or replace it by a whole image"
            ) from error


def _classes_of(members: Iterable[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for member in sorted(members):
        parts = member.split("/")
        is_hidden = any(part.startswith(".") for part in parts)
        if len(parts) == 2 and Path(parts[1]).suffix.lower() in IMAGE_SUFFIXES and not is_hidden:
            found[parts[0]].append(member)
    return {label: tuple(found[label]) for label in sorted(found)}


def open_image_set(path: Path, name: str | None = None) -> ImageSet:
    """Open one set: a folder or zip file laid out as `CLASS/IMAGE`.

    Args:
        path: The folder or zip file.
        name: What to call the set; by default the folder's or the zip file's name, without suffix.

    Raises:
        DataError: Nothing there, no zip file, or no class with an image.
    """
    if not path.exists():
        raise DataError(f"no image set at {path}")
    if path.is_file():
        archive = _ZipSource(path)
        image_set = ImageSet(name or path.stem, _classes_of(archive.names()), archive)
    else:
        members = (file.relative_to(path).as_posix() for file in path.glob("*/*"))
        image_set = ImageSet(name or path.name, _classes_of(members), FolderSource(path))
    if not image_set.classes:
        raise DataError(f"{path} holds no image laid out as CLASS/IMAGE (suffixes {', '.join(sorted(IMAGE_SUFFIXES))})")
    return image_set


def open_image_sets(path: Path) -> list[ImageSet]:
    """Open every set below `path`: zips and folders of sets, or the one set that `path` itself is.

    Args:
        path: A zip file, a folder of zips and set folders, or a folder laid out as `CLASS/IMAGE`.

    Returns:
        The sets, sorted by name.

    Raises:
        DataError: No set there, or two of one name.
    """
    if path.is_file() or any(file.suffix.lower() in IMAGE_SUFFIXES for file in path.glob("[!.]*/[!.]*")):
        return [open_image_set(path)]
    found = [child for child in sorted(path.glob("[!.]*")) if child.suffix == ".zip" or child.is_dir()]
    sets = [open_image_set(child) for child in found]
    if not sets:
        raise DataError(f"{path} holds no image set: expected zip files or folders laid out as CLASS/IMAGE")
    names = [image_set.name for image_set in sets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path} holds several sets named {', '.join(twice)}; rename or remove all but one")
    return sets
