"""Smooth random fields, the raw material of every texture."""

import numpy as np
import numpy.typing as npt
from PIL import Image

Field = npt.NDArray[np.float32]


def resized(field: Field, shape: tuple[int, int]) -> Field:
    """Return a float32 field of shape (H, W) resampled bicubically to `shape` (H, W)."""
    height, width = shape
    enlarged = Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(enlarged, dtype=np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> Field:
    """Draw a smooth field with one random value per cell.

    Args:
        rng: The only source of randomness.
        shape: (H, W) of the field.
        cells: (rows, columns) of independent values; unequal counts give streaks.

    Returns:
        float32 of shape (H, W), about -1..1 with mean near 0.
    """
    return resized(rng.uniform(-1.0, 1.0, cells).astype(np.float32), shape)


def fractal_noise(rng: np.random.Generator, shape: tuple[int, int], cells: int, octaves: int = 4) -> Field:
    """Sum octaves of smooth noise, each twice as fine and half as strong.

    Args:
        rng: The only source of randomness.
        shape: (H, W) of the field.
        cells: Cells per side in the coarsest octave.
        octaves: Number of layers, at least 1.

    Returns:
        float32 of shape (H, W), about -1..1.
    """
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        count = cells * 2**octave
        total += smooth_noise(rng, shape, (count, count)) * np.float32(0.5**octave)
    return total * np.float32(0.6)


def white_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """Return independent standard normal values, float32 of `shape`."""
    return rng.standard_normal(shape, dtype=np.float32)
