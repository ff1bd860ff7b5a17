"""Every layout that is recognised, in the order in which a folder is tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hyperflow.datasets import cdfsl, meta_dataset, orbit, split_folders
from hyperflow.datasets.split import Split, refuse_split
from hyperflow.images.image_set import IMAGE_SUFFIXES, ImageSet, open_image_set

__all__ = ["Layout", "layout_of"]


@dataclass(frozen=True)
class Layout:
    """One way to lay out images.

    Attributes:
        title: What it is called in messages.
        matches: Whether a path has this layout; cheap.
        missing: One line for each thing that is named but absent, for a split or all; empty when complete.
        open: The sets of a split or of all, sorted; empty when the split has no class.
        opens_incomplete: Whether sets are of use without what is missing.
    """

    title: str
    matches: Callable[[Path], bool]
    missing: Callable[[Path, Split | None], list[str]]
    open: Callable[[Path, Split | None], list[ImageSet]]
    opens_incomplete: bool = False


def _is_plain(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".zip"
    has_classes = any(file.suffix.lower() in IMAGE_SUFFIXES for file in path.glob("[!.]*/[!.]*"))
    return has_classes and not any(cdfsl.is_isic(child) for child in path.glob("[!.]*"))  # its flat variant is no class


def _open_plain(path: Path, split: Split | None) -> list[ImageSet]:
    refuse_split(str(path), split)
    return [open_image_set(path)]


def _nothing_missing(path: Path, split: Split | None) -> list[str]:
    return []


_LAYOUTS = (
    Layout(
        "Meta-Dataset", meta_dataset.is_meta_dataset, meta_dataset.missing_in_meta_dataset,
        meta_dataset.open_meta_dataset,
    ),
    Layout("HDF5 classes", meta_dataset.is_h5_folder, _nothing_missing, meta_dataset.open_h5_folder),
    Layout("EuroSAT", cdfsl.is_eurosat, cdfsl.missing_in_eurosat, cdfsl.open_eurosat),
    Layout("ISIC 2018", cdfsl.is_isic, cdfsl.missing_in_isic, cdfsl.open_isic),
    Layout("ChestX", cdfsl.is_chestx, cdfsl.missing_in_chestx, cdfsl.open_chestx),
    Layout("CropDiseases", cdfsl.is_crop_diseases, cdfsl.missing_in_crop_diseases, cdfsl.open_crop_diseases),
    Layout("ORBIT", orbit.is_orbit, orbit.missing_in_orbit, orbit.open_orbit, opens_incomplete=True),
    Layout(
        "class folders with splits", split_folders.is_split_folder, split_folders.missing_in_split_folder,
        split_folders.open_split_folder,
    ),
    Layout("class folders", _is_plain, _nothing_missing, _open_plain),
)  # fmt: skip


def layout_of(path: Path) -> Layout | None:
    """Return the layout of a folder or zip file, or None where there is none."""
    return next((layout for layout in _LAYOUTS if layout.matches(path)), None)
