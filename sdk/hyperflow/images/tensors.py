"""Pixels as the tensors that networks and augmentations take."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

__all__ = ["as_unit_images", "shrink"]


def as_unit_images(images_rgb: NDArray[np.uint8]) -> torch.Tensor:
    """Turn uint8 pixels (B, H, W, 3) into float images (B, 3, H, W) in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(images_rgb)).permute(0, 3, 1, 2).float() / 255.0


def shrink(images: torch.Tensor, size_px: int) -> torch.Tensor:
    """Resize images (B, 3, H, W) to the network's input, antialiased, without cutting anything off."""
    return functional.interpolate(images, size=(size_px, size_px), mode="bilinear", antialias=True)
