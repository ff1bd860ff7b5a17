"""Class folders, or a zip of them, with a json file beside them that says which class belongs to which split.

Such files are published for Meta-Dataset: `{"train": [CLASS, ...], "valid": [...], "test": [...]}`, called
`splits.json` or `NAME_splits.json`.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hyperflow.datasets.split import SPLITS, Split
from hyperflow.errors import DataError
from hyperflow.images.image_set import FolderSource, ImageSet, open_image_set

__all__ = ["is_split_folder", "missing_in_split_folder", "open_split_folder"]

_SPELLINGS: dict[Split, tuple[str, ...]] = {
    "TRAIN": ("train",),
    "VALID": ("valid", "validation", "val"),
    "TEST": ("test",),
}


def _split_file(path: Path) -> Path | None:
    return next((file for file in sorted(path.glob("*splits.json")) if not file.name.startswith(".")), None)


def is_split_folder(path: Path) -> bool:
    """Whether a folder holds a file of splits."""
    return _split_file(path) is not None


def _classes_of(path: Path, split: Split | None) -> list[str]:
    file = _split_file(path)
    if file is None:
        raise DataError(f"{path} has no splits.json")
    try:
        lists = {
            key.lower(): value
            for key, value in msgspec.json.decode(file.read_bytes(), type=dict[str, list[str]]).items()
        }
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is not a readable list of splits ({error}); copy it again") from error
    wanted = SPLITS if split is None else (split,)
    return [name for key in wanted for spelling in _SPELLINGS[key] for name in lists.get(spelling, [])]


def missing_in_split_folder(path: Path, split: Split | None) -> list[str]:
    """Return one line on the classes that the file names and the folder lacks."""
    names = _classes_of(path, split)
    present = open_image_set(path).classes
    absent = [name for name in names if name not in present]
    if not absent:
        return []
    return [f"{path}: {len(absent)} of {len(names)} classes that {_split_file(path)} names are absent ({absent[0]}...)"]


def open_split_folder(path: Path, split: Split | None) -> list[ImageSet]:
    """Open the classes of one split, or of all; an empty split gives no set.

    Raises:
        DataError: The file of splits is torn.
    """
    whole, names = open_image_set(path), set(_classes_of(path, split))
    classes = {name: images for name, images in whole.classes.items() if name in names}
    return [ImageSet(path.name, classes, FolderSource(path))] if classes else []
