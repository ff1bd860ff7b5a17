"""A set of images in classes, read lazily from a folder or a zip file laid out as `CLASS/IMAGE`."""

from __future__ import annotations

import io
import threading
import zipfile
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from hyperflow.errors import DataError

__all__ = ["ImageSet", "open_image_set", "open_image_sets"]

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

_DECODER_ERRORS = (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError)
_MEMBER_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)  # torn, encrypted, unknown compression


class _Reader(Protocol):
    def names(self) -> list[str]: ...
    def read(self, name: str) -> bytes: ...


class _FolderReader:
    """Files below a folder; none stays open."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        return [file.relative_to(self._path).as_posix() for file in self._path.glob("*/*")]

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()


class _ZipReader:
    """Members of a zip file; one handle, opened at the first read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip: zipfile.ZipFile | None = None
        self._lock = threading.Lock()

    def _opened(self) -> zipfile.ZipFile:
        with self._lock:
            if self._zip is None:
                try:
                    self._zip = zipfile.ZipFile(self._path)
                except zipfile.BadZipFile as error:
                    raise DataError(f"{self._path} is not a readable zip file ({error}); copy it again") from error
            return self._zip

    def names(self) -> list[str]:
        return self._opened().namelist()

    def read(self, name: str) -> bytes:
        return self._opened().read(name)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey, in one of Pillow's several spellings; convert would cut it off at 255
        image = Image.fromarray((np.asarray(image).astype(np.uint16) // 257).astype(np.uint8))
    return image.convert("RGB")


class ImageSet:
    """Images in classes, listed at once and decoded only when asked for.

    Attributes:
        name: The folder's or the zip file's name, without suffix.
        classes: Class name to the images of that class, both sorted.
    """

    def __init__(self, name: str, reader: _Reader) -> None:
        """List the images of `reader`; use `open_image_set` instead."""
        self.name = name
        self._reader = reader
        found: dict[str, list[str]] = defaultdict(list)
        for member in sorted(reader.names()):
            parts = member.split("/")
            is_hidden = any(part.startswith(".") for part in parts)
            if len(parts) == 2 and Path(parts[1]).suffix.lower() in _SUFFIXES and not is_hidden:
                found[parts[0]].append(member)
        self.classes: dict[str, tuple[str, ...]] = {label: tuple(found[label]) for label in sorted(found)}

    @property
    def n_images(self) -> int:
        """Number of images over all classes."""
        return sum(len(images) for images in self.classes.values())

    def image(self, member: str) -> Image.Image:
        """Decode one image as RGB.

        Args:
            member: One of the names in `classes`.

        Raises:
            DataError: The bytes are no image, or only a part of one.
        """
        try:
            with Image.open(io.BytesIO(self._reader.read(member))) as image:
                return _as_rgb(image)
        except (*_DECODER_ERRORS, *_MEMBER_ERRORS) as error:
            raise DataError(
                f"{self.name}/{member} cannot be decoded ({error}); remove it or replace it by a whole image"
            ) from error


def open_image_set(path: Path) -> ImageSet:
    """Open one set: a folder or zip file laid out as `CLASS/IMAGE`.

    Raises:
        DataError: Nothing there, no zip file, or no class with an image.
    """
    if not path.exists():
        raise DataError(f"no image set at {path}")
    image_set = ImageSet(
        path.stem if path.is_file() else path.name, _ZipReader(path) if path.is_file() else _FolderReader(path)
    )
    if not image_set.classes:
        raise DataError(f"{path} holds no image laid out as CLASS/IMAGE (suffixes {', '.join(sorted(_SUFFIXES))})")
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
    if path.is_file() or any(file.suffix.lower() in _SUFFIXES for file in path.glob("[!.]*/[!.]*")):
        return [open_image_set(path)]
    found = [child for child in sorted(path.glob("[!.]*")) if child.suffix == ".zip" or child.is_dir()]
    sets = [open_image_set(child) for child in found]
    if not sets:
        raise DataError(f"{path} holds no image set: expected zip files or folders laid out as CLASS/IMAGE")
    names = [image_set.name for image_set in sets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path} holds several sets named {', '.join(twice)}; rename or remove all but one")
    return sets
