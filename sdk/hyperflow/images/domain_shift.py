"""One random change of appearance for a whole group of images: every draw is a new visual domain.

The number of training domains limits how far a drift field generalises; a group of images that are all inverted,
all edges or all blurred is a task that no original set holds.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

__all__ = ["random_domain_shift"]

Shift = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def _draw(generator: torch.Generator, low: float, high: float) -> float:
    return float(torch.rand((), generator=generator)) * (high - low) + low


def _invert(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return 1.0 - images


def _mix_channels(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    mixing = torch.rand(3, 3, generator=generator)
    return torch.einsum("oc,bchw->bohw", mixing / mixing.sum(dim=1, keepdim=True), images)


def _permute_channels(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return images[:, torch.randperm(3, generator=generator)]


def _quarter_turns(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    turns = int(torch.randint(1, 4, (), generator=generator))
    return torch.rot90(images, turns, dims=(2, 3))


def _mirror(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return images.flip(3)


def _blur(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    factor = _draw(generator, 0.3, 0.6)
    small = functional.interpolate(images, scale_factor=factor, mode="bilinear", antialias=True)
    return functional.interpolate(small, size=images.shape[2:], mode="bilinear")


def _gamma(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    exponent = 2.0 ** _draw(generator, -1.2, 1.2)
    return images.clamp(1e-4, 1.0).pow(exponent)


def _edges(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    grey = images.mean(dim=1, keepdim=True)
    padded = functional.pad(grey, (1, 1, 1, 1), mode="replicate")
    dx = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    dy = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    return ((dx**2 + dy**2).sqrt() * _draw(generator, 1.0, 3.0)).clamp(0, 1).expand(-1, 3, -1, -1)


def _posterise(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    levels = float(torch.randint(2, 5, (), generator=generator))
    return (images * levels).round() / levels


def _noise(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(images.shape, generator=generator)
    return (images + noise * _draw(generator, 0.05, 0.2)).clamp(0, 1)


def _grey(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)


def _random_filter(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Filter through random kernels that mix the colours: shapes stay, textures and contrasts become new ones.

    Random convolutions as augmentation: Xu et al. (arXiv:2007.13003).
    """
    size = 2 * int(torch.randint(0, 4, (), generator=generator)) + 1
    kernels = torch.randn(3, 3, size, size, generator=generator) / (3 * size * size) ** 0.5
    filtered = functional.conv2d(functional.pad(images, [size // 2] * 4, mode="reflect"), kernels)
    spread = filtered.std(dim=(0, 2, 3), keepdim=True).clamp(min=1e-4)
    levelled = 0.5 + 0.25 * (filtered - filtered.mean(dim=(0, 2, 3), keepdim=True)) / spread
    share = _draw(generator, 0.3, 1.0)
    return (share * levelled + (1 - share) * images).clamp(0, 1)


def _solarise(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.where(images > _draw(generator, 0.3, 0.8), 1.0 - images, images)


_SHIFTS: tuple[Shift, ...] = (
    _invert,
    _mix_channels,
    _permute_channels,
    _quarter_turns,
    _mirror,
    _blur,
    _gamma,
    _edges,
    _posterise,
    _noise,
    _grey,
    _random_filter,
    _random_filter,  # the richest of them: twice as likely
    _solarise,
)


def random_domain_shift(images: torch.Tensor, generator: torch.Generator, *, probability: float = 0.5) -> torch.Tensor:
    """Apply, with the given probability, one or two random changes of appearance, the same to every image.

    Args:
        images: (B, 3, H, W) in 0..1, square.
        generator: Source of chance.
        probability: Chance that anything is changed, in [0, 1].

    Returns:
        (B, 3, H, W) in 0..1.
    """
    if _draw(generator, 0.0, 1.0) >= probability:
        return images
    n_shifts = int(torch.randint(1, 3, (), generator=generator))
    for index in torch.randperm(len(_SHIFTS), generator=generator)[:n_shifts].tolist():
        images = _SHIFTS[index](images, generator)
    return images
