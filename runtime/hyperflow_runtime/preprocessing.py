"""From a frame to the backbone's input: the one preprocessing of the device, of export and of every sample.

Resampling is Pillow's integer arithmetic, so the same frame gives the same bits on every processor. `hyperflow.images`
does the same in training; a test holds the two equal.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hyperflow_runtime.bundle.manifest import Preprocessing
from hyperflow_runtime.errors import FrameError
from hyperflow_runtime.frames import Frame, as_eight_bit

__all__ = ["ColourOrder", "crop_and_resize", "normalise"]

ColourOrder = Literal["bgr", "rgb"]

_REDUCING_GAP = 3.0  # Pillow shrinks by whole factors first: a 12-megapixel frame costs little more than a small one


def _crop_box(width: int, height: int, rule: Preprocessing) -> tuple[float, float, float, float]:
    if rule.resize == "squash":
        return (0.0, 0.0, float(width), float(height))
    side = min(width, height) * rule.crop_fraction
    left, top = (width - side) / 2, (height - side) / 2
    return (left, top, left + side, top + side)


def crop_and_resize(frame: Frame, rule: Preprocessing, colour_order: ColourOrder = "bgr") -> NDArray[np.uint8]:
    """Crop and resize one frame.

    Args:
        frame: See `hyperflow_runtime.frames.Frame`.
        rule: From the manifest.
        colour_order: Order of the frame's channels.

    Returns:
        RGB pixels, (size_px, size_px, 3).

    Raises:
        FrameError: The frame cannot be used.
    """
    if colour_order not in ("bgr", "rgb"):
        raise FrameError(f"colour_order must be 'bgr' or 'rgb', got {colour_order!r}")
    image = Image.fromarray(as_eight_bit(frame))
    box = _crop_box(image.width, image.height, rule)
    size = (rule.size_px, rule.size_px)
    pixels = np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=_REDUCING_GAP))
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, ::-1]) if colour_order == "bgr" else pixels


def normalise(images_rgb: NDArray[np.uint8], rule: Preprocessing) -> NDArray[np.float32]:
    """Scale, centre and transpose a batch of RGB pixels.

    Args:
        images_rgb: (B, size_px, size_px, 3).
        rule: From the manifest.

    Returns:
        (B, 3, size_px, size_px).
    """
    mean, std = np.asarray(rule.mean, np.float32), np.asarray(rule.std, np.float32)
    values = (images_rgb.astype(np.float32) / np.float32(255.0) - mean) / std
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
