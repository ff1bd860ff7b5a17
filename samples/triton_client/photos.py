"""Photos on disk: the support in class folders, the queries in a folder."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


def photos_in(folder: Path) -> list[Path]:
    """List the photos of a folder and of the folders in it.

    Raises:
        ValueError: None is there.
    """
    photos = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    if not photos:
        raise ValueError(f"{folder} holds no photos ({', '.join(sorted(SUFFIXES))})")
    return photos


def class_folders(folder: Path) -> dict[str, list[Path]]:
    """List the photos of each class of a folder laid out as `CLASS/IMAGE`.

    Raises:
        ValueError: No class, or one without a photo.
    """
    classes = {child.name: photos_in(child) for child in sorted(folder.iterdir()) if child.is_dir()}
    if not classes:
        raise ValueError(f"{folder} holds no class folders; lay the photos out as CLASS/IMAGE")
    return classes
