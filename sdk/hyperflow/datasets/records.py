"""Meta-Dataset's TFRecord files: one a class, one record an image, read by byte offsets.

A record is its length (8 bytes), a checksum of the length (4), a `tf.Example` and a checksum of it (4). The offsets
come from the public `CLASS.index` beside the file where there is one, and from one pass over the lengths elsewhere.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import crc32c
import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from PIL import Image
from tfrecord import example_pb2

from hyperflow.datasets.numbered import parse_numbered
from hyperflow.errors import DataError
from hyperflow.images.image_set import MAX_IMAGE_BYTES
from hyperflow.images.open_files import OpenFiles

__all__ = ["RecordSource"]

_HEADER, _FOOTER = 12, 4
_MASK_DELTA = 0xA282EAD8


def _masked_crc(data: bytes) -> int:
    """Return the checksum as TFRecord stores it: rotated and shifted, so that a checksum of checksums is none."""
    crc = crc32c.crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


class _RecordFile:
    """One open file and the offset of each record: 8 bytes of memory a record."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            self._offsets = self._index()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._offsets)

    def _torn(self, what: str) -> DataError:
        return DataError(f"{self._path} is torn: {what}; copy it again")

    def _length_at(self, offset: int) -> int:
        header = os.pread(self._file.fileno(), _HEADER, offset)
        if len(header) < _HEADER:
            raise self._torn(f"it ends inside the record at byte {offset}")
        length, crc = struct.unpack("<QI", header)
        if crc != _masked_crc(header[:8]):
            raise self._torn(f"no record starts at byte {offset}")
        if offset + _HEADER + length + _FOOTER > self._size:
            raise self._torn(f"it ends inside the record at byte {offset}")
        return int(length)

    def _index(self) -> NDArray[np.int64]:
        listed = self._path.with_suffix(".index")
        if listed.is_file() and listed.stat().st_size <= MAX_IMAGE_BYTES:
            return self._listed(listed)
        offsets, offset = [], 0
        while offset < self._size:
            offsets.append(offset)
            offset += _HEADER + self._length_at(offset) + _FOOTER
        return np.array(offsets, dtype=np.int64)

    def _listed(self, path: Path) -> NDArray[np.int64]:
        """Read lines of `offset length`, and hold them to the file: they must follow each other to its end."""
        try:
            pairs = np.array([line.split() for line in path.read_text("ascii").splitlines()], dtype=np.int64)
            pairs = pairs.reshape(-1, 2)
        except (ValueError, OverflowError) as error:
            raise DataError(f"{path} is no list of `offset length`; delete it, and it is not needed") from error
        ends = np.cumsum(pairs[:, 1])
        if not np.array_equal(pairs[:, 0], ends - pairs[:, 1]) or (ends[-1] if len(ends) else 0) != self._size:
            raise DataError(f"{path} does not fit {self._path.name}; delete it, and it is not needed")
        return pairs[:, 0]

    def read(self, number: int) -> bytes:
        """Return the `tf.Example` of one record, its checksum verified."""
        if number >= len(self._offsets):
            raise DataError(
                f"{self._path} has {len(self._offsets)} records, but image {number + 1} of its class is asked for; "
                "it was cut off, or does not belong to its dataset_spec.json; copy both again"
            )
        offset = int(self._offsets[number])
        length = self._length_at(offset)
        if length > MAX_IMAGE_BYTES:
            raise self._torn(f"the record at byte {offset} claims {length:,} bytes")
        data = os.pread(self._file.fileno(), length + _FOOTER, offset + _HEADER)
        if len(data) < length + _FOOTER or struct.unpack("<I", data[length:])[0] != _masked_crc(data[:length]):
            raise self._torn(f"the record at byte {offset} does not match its checksum")
        return data[:length]


_OPEN_RECORDS = OpenFiles(_RecordFile)


class RecordSource:
    """Images of the TFRecord files of one folder."""

    def __init__(self, folder: Path, suffix: str = ".tfrecords") -> None:
        """Read `folder`; members are class file and number, as `NumberedImages` names them."""
        self._folder, self._suffix = folder, suffix

    def open(self, member: str) -> Image.Image:
        file, number = parse_numbered(member)
        with _OPEN_RECORDS.use(self._folder / f"{file}{self._suffix}") as records:
            data = records.read(number)
        example = example_pb2.Example()
        try:
            example.ParseFromString(data)
        except DecodeError as error:
            raise ValueError("the record is no tf.Example") from error
        features = example.features.feature
        if "image" not in features or len(features["image"].bytes_list.value) != 1:
            raise ValueError("the record has no feature `image` of one byte string")
        return Image.open(io.BytesIO(features["image"].bytes_list.value[0]))
