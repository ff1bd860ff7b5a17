"""From a decoded image to the tensor the backbone takes.

The device does the same in numpy (`hyperflow_runtime.preprocessing`); a test holds the two equal, bit for bit.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from hyperflow.errors import ConfigError

__all__ = ["Preprocessing", "crop_and_resize", "normalise"]

_REDUCING_GAP = 3.0  # Pillow shrinks by whole factors first: a 12-megapixel frame costs little more than a small one


class Preprocessing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to an image before the backbone, as data that travels into the bundle.

    Attributes:
        size_px: Side of the square input, in pixels.
        resize: `centre_crop` keeps the aspect and cuts the longer side; `squash` keeps everything and distorts.
        crop_fraction: Share of the shorter side that the centre crop keeps, in (0, 1]. Not used by `squash`.
        mean: Subtracted from each RGB channel after scaling to [0, 1].
        std: Divides each RGB channel after that.

    Raises:
        ConfigError: A value out of its range.
    """

    size_px: int
    resize: Literal["centre_crop", "squash"] = "centre_crop"
    crop_fraction: float = 1.0
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if not 16 <= self.size_px <= 1024:
            raise ConfigError(f"size_px must be 16..1024, got {self.size_px}")
        if not 0.0 < self.crop_fraction <= 1.0:
            raise ConfigError(f"crop_fraction must be in (0, 1], got {self.crop_fraction}")
        if min(self.std) <= 0.0:
            raise ConfigError(f"every std must be above 0, got {self.std}")


def _crop_box(width: int, height: int, rule: Preprocessing) -> tuple[float, float, float, float]:
    if rule.resize == "squash":
        return (0.0, 0.0, float(width), float(height))
    side = min(width, height) * rule.crop_fraction
    left, top = (width - side) / 2, (height - side) / 2
    return (left, top, left + side, top + side)


def crop_and_resize(image: Image.Image, rule: Preprocessing) -> NDArray[np.uint8]:
    """Crop and resize one image as `rule` says, with an antialiased bilinear filter.

    Args:
        image: RGB image of any size.
        rule: Size and crop.

    Returns:
        RGB pixels, (size_px, size_px, 3).
    """
    box = _crop_box(image.width, image.height, rule)
    size = (rule.size_px, rule.size_px)
    resized = image.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=_REDUCING_GAP)
    return np.asarray(resized)


def normalise(images_rgb: torch.Tensor, rule: Preprocessing) -> torch.Tensor:
    """Scale, centre and transpose a batch of RGB pixels.

    Args:
        images_rgb: uint8 in 0..255 or float in 0..1, (B, H, W, 3).
        rule: Mean and deviation of each channel.

    Returns:
        float32, (B, 3, H, W).
    """
    values = images_rgb.float() / 255.0 if images_rgb.dtype == torch.uint8 else images_rgb
    mean = torch.tensor(rule.mean, device=values.device)
    std = torch.tensor(rule.std, device=values.device)
    return ((values - mean) / std).permute(0, 3, 1, 2).contiguous()
