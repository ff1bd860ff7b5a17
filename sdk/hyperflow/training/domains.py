"""Training domains: packed image sets, and their pixels as tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from torch.nn import functional

from hyperflow.datasets.opening import open_datasets
from hyperflow.datasets.split import Split
from hyperflow.images.packed import PackedSet, pack
from hyperflow.images.preprocessing import Preprocessing

__all__ = ["as_unit_images", "pack_domains", "shrink"]


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


def as_unit_images(images_rgb: NDArray[np.uint8]) -> torch.Tensor:
    """Turn uint8 pixels (B, H, W, 3) into float images (B, 3, H, W) in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(images_rgb)).permute(0, 3, 1, 2).float() / 255.0


def shrink(images: torch.Tensor, size_px: int) -> torch.Tensor:
    """Resize images (B, 3, H, W) to the network's input, antialiased, without cutting anything off."""
    return functional.interpolate(images, size=(size_px, size_px), mode="bilinear", antialias=True)
