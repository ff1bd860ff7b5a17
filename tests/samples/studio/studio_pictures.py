"""Pictures to upload."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

COLOURS_RGB = {"red": (210, 40, 40), "green": (60, 200, 50), "blue": (40, 70, 220)}


def picture(colour: str, seed: int = 0, *, size: tuple[int, int] = (60, 48), kind: str = "PNG") -> bytes:
    """Return a noisy picture of a colour as an image file."""
    noise = np.random.default_rng(seed).integers(-40, 41, (size[1], size[0], 3))
    pixels = np.clip(np.array(COLOURS_RGB[colour]) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()
