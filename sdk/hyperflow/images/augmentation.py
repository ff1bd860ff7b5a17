"""Random changes to a batch of images: each image its own, as a moving camera would make them."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

__all__ = ["random_colour", "random_view"]


def random_view(
    images: torch.Tensor,
    size_px: int,
    generator: torch.Generator,
    *,
    min_area: float = 0.35,
    max_angle_deg: float = 12.0,
) -> torch.Tensor:
    """Look at each image through a random window: part of its area, a little turned and stretched.

    Args:
        images: (B, 3, H, W).
        size_px: Side of the output.
        generator: Source of chance.
        min_area: Least share of the area that the window covers, in (0, 1].
        max_angle_deg: Largest turn to either side, in degrees.

    Returns:
        (B, 3, size_px, size_px).
    """
    n = len(images)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(n, generator=generator) * (high - low) + low

    area, log_aspect = uniform(min_area, 1.0), uniform(-0.25, 0.25)
    angle = uniform(-math.radians(max_angle_deg), math.radians(max_angle_deg))
    width = (area.sqrt() * (log_aspect / 2).exp()).clamp(max=1.0)
    height = (area.sqrt() * (-log_aspect / 2).exp()).clamp(max=1.0)
    shift_x, shift_y = uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)
    cos, sin = angle.cos(), angle.sin()
    rows = torch.stack([width * cos, -height * sin, shift_x, width * sin, height * cos, shift_y], dim=1)
    grid = functional.affine_grid(rows.view(n, 2, 3), [n, 3, size_px, size_px], align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def random_colour(images: torch.Tensor, generator: torch.Generator, *, strength: float = 0.4) -> torch.Tensor:
    """Change brightness, contrast and saturation of each image; one in ten turns grey.

    Args:
        images: (B, 3, H, W) in 0..1.
        generator: Source of chance.
        strength: Largest relative change, in [0, 1).

    Returns:
        (B, 3, H, W) in 0..1.
    """

    def factor() -> torch.Tensor:
        return 1 + (torch.rand(len(images), 1, 1, 1, generator=generator) * 2 - 1) * strength

    grey = images.mean(dim=1, keepdim=True)
    turns_grey = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.1
    saturation = torch.where(turns_grey, torch.zeros(()), factor())
    images = grey + (images - grey) * saturation
    centre = images.mean(dim=(1, 2, 3), keepdim=True)
    images = centre * factor() + (images - centre) * factor()
    return images.clamp(0.0, 1.0)
