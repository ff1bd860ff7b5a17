"""Photos on disk: the support in class folders, the queries in class folders, in one folder, or alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


@dataclass(frozen=True)
class QueryPhoto:
    """A photo to classify.

    Attributes:
        path: The file.
        truth: Its class where the folder tells, else None.
    """

    path: Path
    truth: str | None


def _images_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())


def class_folders(folder: Path) -> dict[str, list[Path]]:
    """List the photos of each class of a folder laid out as `CLASS/IMAGE`.

    Raises:
        ValueError: No class with a photo.
    """
    classes = {child.name: _images_in(child) for child in sorted(folder.iterdir()) if child.is_dir()}
    classes = {label: photos for label, photos in classes.items() if photos}
    if not classes:
        raise ValueError(f"{folder} holds no photos laid out as CLASS/IMAGE ({', '.join(sorted(SUFFIXES))})")
    return classes


def query_photos(path: Path) -> list[QueryPhoto]:
    """List what to classify: one photo, a folder of photos, or class folders.

    Raises:
        ValueError: No photo there.
    """
    if path.is_file():
        return [QueryPhoto(path, None)]
    if photos := _images_in(path):
        return [QueryPhoto(photo, None) for photo in photos]
    return [QueryPhoto(photo, label) for label, photos in class_folders(path).items() for photo in photos]


def split(
    classes: dict[str, list[Path]], n_shot: int, n_query: int, seed: int
) -> tuple[dict[str, list[Path]], list[QueryPhoto]]:
    """Divide class folders into support and queries by chance.

    Args:
        classes: Photos of each class.
        n_shot: Support photos a class; a class keeps at least one photo for the queries.
        n_query: Most queries a class.
        seed: Seed of the draw.

    Raises:
        ValueError: A class has a single photo.
    """
    rng = np.random.default_rng(seed)
    support: dict[str, list[Path]] = {}
    queries: list[QueryPhoto] = []
    for label, photos in classes.items():
        if len(photos) < 2:
            raise ValueError(f"class {label!r} has one photo; two are needed to learn from one and ask about the other")
        order = [photos[index] for index in rng.permutation(len(photos))]
        n_support = min(n_shot, len(photos) - 1)
        support[label] = order[:n_support]
        queries += [QueryPhoto(photo, label) for photo in order[n_support : n_support + n_query]]
    return support, queries
