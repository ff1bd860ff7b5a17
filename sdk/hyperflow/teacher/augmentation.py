"""Pseudo-queries: changed copies of the support, by which fine-tuning has something to be tested on.

The recipe is that of Hu et al., "Pushing the Limits of Simple Pipelines for Few-Shot Learning" (arXiv:2204.07305),
with the colour and translation changes of Zhao et al., "Differentiable Augmentation" (arXiv:2006.10738).
"""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = ["pseudo_query"]

_SHIFT_SHARE = 0.125  # of each side


def pseudo_query(images: torch.Tensor, generator: torch.Generator, *, probability: float) -> torch.Tensor:
    """Change a batch with some probability: a flip of all images, then colour and position of each on its own.

    Args:
        images: Preprocessed, (B, 3, H, W).
        generator: Source of chance, on the CPU.
        probability: Chance that the batch is changed at all, in [0, 1].

    Returns:
        (B, 3, H, W); `images` itself when the batch is left as it is.
    """
    if torch.rand((), generator=generator) >= probability:
        return images
    if torch.rand((), generator=generator) < 0.5:
        images = images.flip(3)

    def uniform(low: float, high: float) -> torch.Tensor:
        drawn = torch.rand(len(images), 1, 1, 1, generator=generator) * (high - low) + low
        return drawn.to(images.device)

    images = images + uniform(-0.5, 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * uniform(0.0, 2.0)
    centre = images.mean(dim=(1, 2, 3), keepdim=True)
    images = centre + (images - centre) * uniform(0.5, 1.5)
    return _translated(images, generator)


def _translated(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Move each image by whole pixels; what comes in is zero."""
    n, _, height, width = images.shape
    most_y, most_x = round(height * _SHIFT_SHARE), round(width * _SHIFT_SHARE)
    shift_y = torch.randint(0, 2 * most_y + 1, (n, 1, 1), generator=generator)
    shift_x = torch.randint(0, 2 * most_x + 1, (n, 1, 1), generator=generator)
    padded = functional.pad(images, (most_x, most_x, most_y, most_y)).permute(0, 2, 3, 1)
    rows = shift_y + torch.arange(height)[None, :, None]
    columns = shift_x + torch.arange(width)[None, None, :]
    return padded[torch.arange(n)[:, None, None], rows, columns].permute(0, 3, 1, 2)
