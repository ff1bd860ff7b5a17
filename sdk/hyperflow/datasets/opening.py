"""Open whatever lies at a path: one dataset in any known layout, or a folder of several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hyperflow.datasets.layouts import Layout, layout_of
from hyperflow.datasets.split import Split
from hyperflow.errors import DataError
from hyperflow.images.image_set import ImageSet

__all__ = ["find_datasets", "open_datasets"]


def find_datasets(path: Path) -> Iterator[tuple[Path, Layout]]:
    """Find the dataset that a path is, or else those right below it.

    Args:
        path: A zip file or a folder.

    Returns:
        Where each dataset lies and how, sorted by path.

    Raises:
        DataError: Nothing there.
    """
    if not path.exists():
        raise DataError(f"no image set at {path}")
    if (layout := layout_of(path)) is not None:
        yield path, layout
    elif path.is_dir():
        for child in sorted(path.glob("[!.]*")):
            if (child.is_dir() or child.suffix.lower() == ".zip") and (layout := layout_of(child)) is not None:
                yield child, layout


def open_datasets(path: Path, split: Split | None = None) -> list[ImageSet]:
    """Open every dataset at a path; nothing is decoded yet.

    Args:
        path: A dataset in any layout of `hyperflow.datasets`, or a folder of such.
        split: Classes to take, where the dataset says which belong to it; None takes all. The CDFSL sets are wholly
            TEST; a set that is not divided is refused when a split is asked for.

    Returns:
        The sets, sorted by name.

    Raises:
        DataError: No set there, two of one name, a file that is named but absent, or a torn one.
    """
    sets: list[ImageSet] = []
    for found, layout in find_datasets(path):
        if not layout.opens_incomplete and (problems := layout.missing(found, split)):
            raise DataError(f"{problems[0]}; `hyperflow datasets check {path}` lists everything")
        sets += layout.open(found, split)
    if not sets:
        what = f"no image set of split {split}" if split else "no image set"
        raise DataError(
            f"{path} holds {what}: expected zip files or folders laid out as CLASS/IMAGE, Meta-Dataset records or "
            "HDF5 with dataset_spec.json, a CDFSL tree, or ORBIT"
        )
    names = [image_set.name for image_set in sets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path} holds several sets named {', '.join(twice)}; rename or remove all but one")
    return sorted(sets, key=lambda image_set: image_set.name)
