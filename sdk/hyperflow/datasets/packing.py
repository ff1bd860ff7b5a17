"""Every dataset below a folder, decoded once and packed for training."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from hyperflow.datasets.opening import open_datasets
from hyperflow.datasets.split import Split
from hyperflow.images.packed import PackedSet, pack
from hyperflow.images.preprocessing import Preprocessing

__all__ = ["PACKED_SCALE", "pack_domains"]

PACKED_SCALE = 1.125
"""Side of packed images over the side of the network's input, so that crops have something to cut.

The same in every training and simulation: they share the cache.
"""


def pack_domains(
    data: Path, rule: Preprocessing, cache: Path, *, size_px: int, split: Split | None = None, quiet: bool = False
) -> list[PackedSet]:
    """Pack every set below `data`.

    Args:
        data: Sets in any layout of `hyperflow.datasets`.
        rule: How images are cropped.
        cache: Folder for the packed arrays.
        size_px: Side to store at.
        split: Classes to take, of datasets that are divided; None takes all.
        quiet: Show no progress bar.

    Raises:
        DataError: No set, or an image that cannot be decoded.
    """
    sets = open_datasets(data, split)
    with Progress(console=Console(stderr=True), disable=quiet) as progress:
        bar = progress.add_task("packing images", total=sum(image_set.n_images for image_set in sets))
        return [
            pack(image_set, rule, cache, size_px=size_px, progress=lambda n: progress.advance(bar, n))
            for image_set in sets
        ]
