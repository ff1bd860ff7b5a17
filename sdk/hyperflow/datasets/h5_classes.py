"""One HDF5 file a class, as P>M>F publishes Meta-Dataset: groups "0", "1" and so on, each with the pixels `image`."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from hyperflow.datasets.numbered import parse_numbered
from hyperflow.errors import DataError
from hyperflow.images.image_set import MAX_IMAGE_BYTES
from hyperflow.images.open_files import OpenFiles

__all__ = ["H5Source", "n_images_in"]


def _open_h5(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if not path.is_file():
            raise
        raise DataError(f"{path} is not a readable HDF5 file ({error}); copy it again") from error


_OPEN_H5 = OpenFiles(_open_h5)


def n_images_in(path: Path) -> int:
    """Return the number of images of one class file.

    Raises:
        DataError: The file is torn.
    """
    with _OPEN_H5.use(path) as file:
        return len(file)


class H5Source:
    """Images of the HDF5 files of one folder."""

    def __init__(self, folder: Path) -> None:
        """Read `folder`; members are class file and number, as `NumberedImages` names them."""
        self._folder = folder

    def open(self, member: str) -> Image.Image:
        file, number = parse_numbered(member)
        with _OPEN_H5.use(self._folder / f"{file}.h5") as h5:
            return Image.fromarray(_pixels(h5, str(number)))


def _pixels(h5: h5py.File, group: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Read `GROUP/image` where it is pixels of a sane size that lie in this very file."""
    if not isinstance(h5.get(group, getlink=True), h5py.HardLink):
        raise ValueError(f"there is no group {group}; the file holds {len(h5)}")
    if not isinstance(h5[group].get("image", getlink=True), h5py.HardLink):
        raise ValueError(f"group {group} has no `image`")
    image = h5[group]["image"]
    if not isinstance(image, h5py.Dataset) or image.external or image.is_virtual:
        raise ValueError(f"`image` of group {group} is no dataset of this file")
    is_picture = len(image.shape) == 2 or (len(image.shape) == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not is_picture or not 0 < image.size <= MAX_IMAGE_BYTES:
        raise ValueError(f"`image` of group {group} is {image.dtype} {image.shape}, expected uint8 (height, width, 3)")
    return np.asarray(image[()])
