"""Colours and finishes of the objects."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Colour = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Finish:
    """How a surface answers to light.

    Attributes:
        specular: Strength of the highlight, 0..1.
        sharpness: Exponent of the highlight, 5 (satin) to 200 (polished).
        metal: Share of light that mirrors the surroundings in the surface's own colour, 0..1.
        grain: Height of microscopic unevenness, as a slope, 0..0.3.
    """

    specular: float
    sharpness: float
    metal: float = 0.0
    grain: float = 0.0


MATTE = Finish(specular=0.03, sharpness=6, grain=0.05)
RUBBER = Finish(specular=0.08, sharpness=10, grain=0.04)
SATIN = Finish(specular=0.22, sharpness=24, grain=0.02)
LACQUER = Finish(specular=0.5, sharpness=70)
GLAZE = Finish(specular=0.75, sharpness=110)
POLISHED = Finish(specular=0.6, sharpness=90, metal=0.95, grain=0.004)
BRUSHED = Finish(specular=0.4, sharpness=30, metal=0.88, grain=0.028)
CAST = Finish(specular=0.22, sharpness=14, metal=0.6, grain=0.085)

METALS = ("#d8dade", "#c9ccd2", "#b4b8bf", "#d3b878", "#c9a254", "#b98d6a")
STEELS = ("#dcdee2", "#c8ccd2", "#aeb3bb", "#8d939c")
DARK_STEELS = ("#6d7178", "#555a63", "#7b756d")
PAINTS = ("#c8372d", "#e0762f", "#e9b534", "#3f8f4f", "#2b6cb0", "#274a7a", "#6d4595", "#1f8a8c", "#2c2e33", "#d94f7c")
CERAMICS = ("#f2efe8", "#e6e0d2", "#3c5a78", "#b8412f", "#2f4f45", "#d9a441", "#7d9aa6", "#2d2f36", "#d8b4a8")
TIMBERS = ("#d9b383", "#c79a63", "#b07c48", "#8f5f38")
LEAVES = ("#4f7d2c", "#6b9437", "#37662f", "#8aa83b", "#c9942b", "#c4622a", "#a83a2a")


def linear(code: str) -> Colour:
    """Turn an sRGB code such as "#c8372d" into linear light, float32 of shape (3,), 0..1."""
    levels = [int(code[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    return np.asarray(levels, dtype=np.float32) ** np.float32(2.2)


def pick(rng: np.random.Generator, codes: tuple[str, ...], spread: float = 0.12) -> Colour:
    """Choose one of the sRGB codes and vary it.

    Args:
        rng: The only source of randomness.
        codes: Candidate colours.
        spread: Relative variation of brightness; each channel varies by half as much.

    Returns:
        Linear light, float32 of shape (3,), 0..1.
    """
    colour = linear(codes[int(rng.integers(len(codes)))])
    brightness = rng.uniform(1 - spread, 1 + spread)
    tint = rng.uniform(1 - spread / 2, 1 + spread / 2, 3)
    return np.clip(colour * brightness * tint, 0, 1).astype(np.float32)


def mixed(first: Colour, second: Colour, share: npt.NDArray[np.float32]) -> Colour:
    """Blend two colours of shape (3,) by a field (H, W) of shares of `second` in 0..1; returns (H, W, 3)."""
    return first + (second - first) * share[..., None]
