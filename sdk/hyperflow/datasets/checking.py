"""Look through datasets: what they hold, what is absent, what does not decode, and which protocols they can serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np

from hyperflow.datasets.layouts import Layout
from hyperflow.datasets.opening import find_datasets
from hyperflow.datasets.split import Split
from hyperflow.episodes.cdfsl import CDFSL_SHOTS, CdfslProtocol
from hyperflow.episodes.fixed import FixedProtocol
from hyperflow.episodes.meta_dataset import MetaDatasetProtocol
from hyperflow.episodes.orbit import OrbitProtocol
from hyperflow.episodes.protocol import EpisodeProtocol
from hyperflow.errors import DataError, HyperflowError
from hyperflow.images.image_set import ImageSet

__all__ = ["DatasetReport", "SetReport", "check_datasets"]

_PROTOCOLS: Mapping[str, EpisodeProtocol] = {
    "5-way 1-shot": FixedProtocol(n_shot=1, n_query=5),
    "5-way 5-shot": FixedProtocol(n_shot=5, n_query=1),
    **{f"CDFSL {n}-shot": CdfslProtocol(n) for n in CDFSL_SHOTS},
    "Meta-Dataset": MetaDatasetProtocol(),
    "ORBIT CLU-VE": OrbitProtocol(),
}
_LEAST_SIZES = (6, *(15 + n for n in CDFSL_SHOTS))  # one query for 5 shots; what CDFSL takes of a class


class SetReport(msgspec.Struct, frozen=True):
    """One image set.

    Attributes:
        name: The set's name.
        n_classes: Classes.
        n_images: Images over all classes.
        smallest_class: Images of the smallest class.
        classes_of_least: By a number of images, how many classes have as many or more.
        n_tried: Images that were read, to see whether they decode.
        n_decoded: How many of them did.
        broken: One line for each that did not, and for each class without images.
        serves: Protocols that can draw episodes from the set.
        cannot_serve: Why others cannot, by protocol.
    """

    name: str
    n_classes: int
    n_images: int
    smallest_class: int
    classes_of_least: dict[int, int]
    n_tried: int
    n_decoded: int
    broken: list[str]
    serves: list[str]
    cannot_serve: dict[str, str]


class DatasetReport(msgspec.Struct, frozen=True):
    """One dataset: where it lies, how, what it lacks, and its sets.

    Attributes:
        path: Where it lies.
        layout: What its layout is called.
        missing: One line for each thing that is named but absent, or that keeps the dataset from being opened.
        sets: Its sets.
    """

    path: str
    layout: str
    missing: list[str]
    sets: list[SetReport]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing or broken."""
        return not self.missing and not any(report.broken for report in self.sets)


def _sample(image_set: ImageSet, n_images: int) -> list[int]:
    """Images spread evenly over the set, and the last of each class: where a file was cut off, that one is gone."""
    rows = set(np.linspace(0, image_set.n_images - 1, min(n_images, image_set.n_images)).astype(int).tolist())
    if n_images > 0:
        rows |= set((np.cumsum([n for n in image_set.class_sizes if n]) - 1).tolist())
    return sorted(rows)


def _check_set(image_set: ImageSet, rows: list[int], progress: Callable[[str], None]) -> SetReport:
    broken: list[str] = []
    for row in rows:
        try:
            image_set.image(image_set.member(row))
        except DataError as error:
            broken.append(str(error))
        progress(image_set.name)
    n_decoded = len(rows) - len(broken)
    broken += [f"{image_set.name}/{name} holds no image" for name, group in image_set.classes.items() if not group]
    refusals: dict[str, str] = {}
    for name, protocol in _PROTOCOLS.items():
        try:
            protocol.draw(image_set, 0)
        except HyperflowError as error:
            refusals[name] = str(error)
    sizes = image_set.class_sizes
    return SetReport(
        name=image_set.name,
        n_classes=len(sizes),
        n_images=image_set.n_images,
        smallest_class=min(sizes, default=0),
        classes_of_least={least: sum(size >= least for size in sizes) for least in _LEAST_SIZES},
        n_tried=len(rows),
        n_decoded=n_decoded,
        broken=broken,
        serves=[name for name in _PROTOCOLS if name not in refusals],
        cannot_serve=refusals,
    )


def _open(path: Path, layout: Layout, split: Split | None) -> tuple[list[str], list[ImageSet]]:
    """Open what can be opened; an error becomes a line."""
    missing: list[str] = []
    try:
        missing += layout.missing(path, split)
        return missing, layout.open(path, split)
    except (DataError, OSError) as error:
        return [*missing, str(error)], []


def check_datasets(
    path: Path,
    split: Split | None = None,
    *,
    n_images: int = 100,
    progress: Callable[[str, int], None] | None = None,
) -> list[DatasetReport]:
    """Check every dataset at a path, without stopping at the first fault.

    Args:
        path: As `open_datasets` takes it.
        split: As `open_datasets` takes it.
        n_images: About how many images of each set to decode, spread evenly, besides the last of each class; 0 decodes
            none.
        progress: Called after each image with its set's name and the number of images to read in all.

    Returns:
        A report on each dataset.

    Raises:
        DataError: No dataset there.
    """
    opened = [(found, layout, *_open(found, layout, split)) for found, layout in find_datasets(path)]
    if not opened:
        raise DataError(f"{path} holds no dataset in a known layout; see `hyperflow datasets check --help`")
    rows = {id(image_set): _sample(image_set, n_images) for *_, sets in opened for image_set in sets}
    n_all = sum(map(len, rows.values()))

    def advance(name: str) -> None:
        if progress is not None:
            progress(name, n_all)

    return [
        DatasetReport(str(found), layout.title, missing, [_check_set(each, rows[id(each)], advance) for each in sets])
        for found, layout, missing, sets in opened
    ]
