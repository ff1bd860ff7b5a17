"""Tiny datasets in every layout, written with the libraries that the field writes them with."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tfrecord import TFRecordWriter

Pixels = NDArray[np.uint8]


def pixels_of(number: int, image: int, side_px: int = 12) -> Pixels:
    """Flat colour that tells which class and which image this is, whatever a JPEG does to it."""
    return np.full((side_px, side_px, 3), (10 * number % 250, 20 * image % 250, 77), dtype=np.uint8)


def encoded(pixels: Pixels, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write_image(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_records(path: Path, images: Iterable[Pixels], *, label: int = 0, index: bool = False) -> None:
    """One class file, and on demand the public index beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = TFRecordWriter(str(path))
    lengths = []
    for pixels in images:
        start = writer.file.tell()
        writer.write({"image": (encoded(pixels), "byte"), "label": (label, "int")})
        lengths.append((start, writer.file.tell() - start))
    writer.close()
    if index:
        path.with_suffix(".index").write_text("".join(f"{start} {length}\n" for start, length in lengths))


def write_h5(path: Path, images: Iterable[Pixels], *, label: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for number, pixels in enumerate(images):
            group = file.create_group(str(number))
            group.create_dataset("image", data=pixels)
            group.create_dataset("label", data=label)
            group.create_dataset("id", data=f"{path.stem}_{number}")


def write_spec(folder: Path, **spec: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    common = {"name": folder.name, "path": "/somewhere/else", "file_pattern": "{}.tfrecords"}
    (folder / "dataset_spec.json").write_text(json.dumps({**common, **spec}))


def plain_spec(counts: tuple[int, int, int], sizes: list[int], names: list[str | int] | None = None) -> dict[str, Any]:
    return {
        "__class__": "DatasetSpecification",
        "classes_per_split": dict(zip(("TRAIN", "VALID", "TEST"), counts, strict=True)),
        "images_per_class": {str(number): size for number, size in enumerate(sizes)},
        "class_names": {str(number): name for number, name in enumerate(names or [f"c{n}" for n in range(len(sizes))])},
    }


def write_csv(path: Path, header: list[str], rows: Iterable[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


SIZES = [3, 4, 2, 5, 3, 6]  # TRAIN 0, 1, 2; VALID 3; TEST 4, 5


@pytest.fixture(params=["tfrecords", "tfrecords with index", "h5"])
def class_files(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder `birds` of six classes in Meta-Dataset's plain layout."""
    folder = tmp_path / "birds"
    write_spec(folder, **plain_spec((3, 1, 2), SIZES))
    for number, size in enumerate(SIZES):
        images = [pixels_of(number, image) for image in range(size)]
        if request.param == "h5":
            write_h5(folder / f"{number}.h5", images, label=number)
        else:
            write_records(folder / f"{number}.tfrecords", images, label=number, index="index" in request.param)
    return folder


ISIC_COLUMNS = ["image", "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]


def isic_rows(n_rows: int) -> list[list[str]]:
    return [
        [f"ISIC_{row:07}", *("1.0" if column == row % 7 else "0.0" for column in range(7))] for row in range(n_rows)
    ]


def _write_isic(folder: Path, images: str, labels: str) -> None:
    write_csv(folder / labels, ISIC_COLUMNS, isic_rows(14))
    for row in range(14):
        write_image(folder / images / f"ISIC_{row:07}.jpg", pixels_of(row % 7, row))


@pytest.fixture
def write_isic() -> Callable[[Path, str, str], None]:
    return _write_isic
