"""Textures of the surfaces that objects lie on, lit at a grazing angle."""

from collections.abc import Callable

import numpy as np

from materials import Colour, mixed, pick
from noise import Field, fractal_noise, smooth_noise, white_noise

Texture = tuple[Colour, Field]


def _grid(size: int) -> tuple[Field, Field]:
    """Return coordinates x and y in 0..1 for a square texture."""
    steps = np.linspace(0, 1, size, dtype=np.float32)
    x, y = np.meshgrid(steps, steps)
    return x, y


def paint_wood(rng: np.random.Generator, size: int) -> Texture:
    """Wooden planks with grain along x."""
    _, y = _grid(size)
    light = pick(rng, ("#c79a63", "#b58552", "#8d5f3b", "#6b4429", "#d9b98c", "#4c3325"))
    planks = int(rng.integers(2, 5))
    plank = np.floor(y * np.float32(planks))
    tints = rng.uniform(0.82, 1.12, planks + 1).astype(np.float32)
    shifts = rng.uniform(0, 40, planks + 1).astype(np.float32)
    warp = smooth_noise(rng, (size, size), (7, 4)) + smooth_noise(rng, (size, size), (22, 5)) * np.float32(0.35)
    rings = np.sin(y * np.float32(rng.uniform(45, 85)) + warp * np.float32(4.5) + shifts[plank.astype(np.intp)])
    fibres = smooth_noise(rng, (size, size), (size // 2, 14)) + smooth_noise(rng, (size, size), (size // 4, 40))
    share = np.clip(np.float32(0.42) + rings * np.float32(0.26) + fibres * np.float32(0.17), 0, 1)
    colour = mixed(light, light * np.asarray([0.5, 0.43, 0.38], dtype=np.float32), share)
    colour *= tints[plank.astype(np.intp)][..., None]
    edge = np.abs(np.remainder(y * np.float32(planks) + np.float32(0.5), 1) - np.float32(0.5)) / np.float32(planks)
    gap = np.clip(1 - edge / np.float32(0.004), 0, 1)
    colour *= 1 - gap[..., None] * np.float32(0.8)
    return colour, fibres * np.float32(0.4) - gap * np.float32(3)


def paint_felt(rng: np.random.Generator, size: int) -> Texture:
    """Wool felt with short fibres."""
    colour = pick(rng, ("#5d6670", "#3e4a59", "#7d3f3f", "#476650", "#b9b2a6", "#33363b", "#8b7b66", "#4d5d80"))
    fuzz = white_noise(rng, (size, size)) * np.float32(0.35)
    across = smooth_noise(rng, (size, size), (size // 2, size // 7))
    along = smooth_noise(rng, (size, size), (size // 7, size // 2))
    clouds = fractal_noise(rng, (size, size), 5, 3)
    pile = fuzz + across + along
    shade = 1 + pile * np.float32(0.1) + clouds * np.float32(0.1)
    return colour * shade[..., None], pile * np.float32(0.9)


def paint_paper(rng: np.random.Generator, size: int) -> Texture:
    """Plain, squared or dotted paper."""
    x, y = _grid(size)
    sheet = pick(rng, ("#f1eee6", "#e9e6de", "#e6d9bd", "#c9a77c", "#dfe5ea"), 0.06)
    tooth = white_noise(rng, (size, size)) * np.float32(0.5) + smooth_noise(rng, (size, size), (size // 3, size // 3))
    clouds = fractal_noise(rng, (size, size), 3, 3)
    colour = sheet * (1 + tooth * np.float32(0.02) + clouds * np.float32(0.03))[..., None]
    style, cells = int(rng.integers(3)), np.float32(rng.integers(14, 26))
    if style:
        off_x = np.abs(np.remainder(x * cells, 1) - np.float32(0.5)) / cells
        off_y = np.abs(np.remainder(y * cells, 1) - np.float32(0.5)) / cells
        offset = np.minimum(off_x, off_y) if style == 1 else np.hypot(off_x, off_y) * np.float32(0.5)
        ink = np.clip(np.float32(1.3) - offset * np.float32(size / 1.6), 0, 1) * np.float32(0.45)
        colour = colour + (pick(rng, ("#7b95b5", "#8a8f96", "#9fb59f")) - colour) * ink[..., None]
    return colour, tooth * np.float32(0.35)


def paint_concrete(rng: np.random.Generator, size: int) -> Texture:
    """Cast concrete with clouds, sand and pores."""
    base = pick(rng, ("#9b9892", "#b3b0aa", "#77767a", "#8d857b"))
    clouds = fractal_noise(rng, (size, size), 4, 6)
    sand = white_noise(rng, (size, size))
    pores = np.clip(smooth_noise(rng, (size, size), (size // 9, size // 9)) - np.float32(0.88), 0, 1) * np.float32(5)
    shade = 1 + clouds * np.float32(0.2) + sand * np.float32(0.035) - np.clip(pores, 0, 0.7)
    return base * shade[..., None], clouds * np.float32(0.8) + sand * np.float32(0.3) - pores * np.float32(1.5)


def paint_metal(rng: np.random.Generator, size: int) -> Texture:
    """A brushed metal plate with a few scratches."""
    x, y = _grid(size)
    base = pick(rng, ("#8f959c", "#a7abb0", "#6c7278", "#9a8f80"))
    brush = smooth_noise(rng, (size, size), (size, 5)) + smooth_noise(rng, (size, size), (size, 24)) * np.float32(0.6)
    sheen = np.cos((x - np.float32(rng.uniform(0, 1))) * np.float32(rng.uniform(3, 6)))
    shade = 1 + brush * np.float32(0.09) + sheen * np.float32(0.18)
    for _ in range(int(rng.integers(3, 9))):
        turn, place = rng.uniform(-0.5, 0.5), rng.uniform(0, 1)
        line = np.abs(y - np.float32(place) - (x - np.float32(0.5)) * np.float32(turn))
        shade += np.clip(1 - line * np.float32(size / 1.5), 0, 1) * np.float32(0.14)
    return base * shade[..., None], brush * np.float32(0.3)


def paint_cutting_mat(rng: np.random.Generator, size: int) -> Texture:
    """A self-healing cutting mat with a printed grid."""
    x, y = _grid(size)
    base = pick(rng, ("#2f6b57", "#2c5c7a", "#3b3d42", "#27574a", "#6b4a63"))
    tooth = white_noise(rng, (size, size))
    share = np.zeros((size, size), dtype=np.float32)
    coarse = np.float32(rng.uniform(4, 7))
    for cells, strength, weight in ((coarse, 0.5, 1.6), (coarse * 5, 0.13, 2.0)):
        for axis in (x, y):
            offset = np.abs(np.remainder(axis * np.float32(cells), 1) - np.float32(0.5)) / np.float32(cells)
            line = np.clip(np.float32(1.2) - offset * np.float32(size / weight), 0, 1)
            share = np.maximum(share, line * np.float32(strength))
    ink = pick(rng, ("#d9d7a0", "#cfd8d4", "#e3c97a"))
    colour = mixed(base, ink, share)
    wear = fractal_noise(rng, (size, size), 4, 4)
    return colour * (1 + tooth * np.float32(0.03) + wear * np.float32(0.07))[..., None], tooth * np.float32(0.35)


def paint_linen(rng: np.random.Generator, size: int) -> Texture:
    """A woven cloth."""
    x, y = _grid(size)
    base = pick(rng, ("#cfc4ae", "#a9b2b5", "#7f8f9e", "#c9a9a0", "#8f9a80", "#e0dacd"))
    threads = np.float32(rng.uniform(85, 115) * 3.14159)
    wobble = smooth_noise(rng, (size, size), (12, 12)) * np.float32(1.6)
    warp, weft = np.sin(x * threads + wobble), np.sin(y * threads + wobble)
    weave = np.maximum(np.abs(warp) * (1 + weft), np.abs(weft) * (1 - warp)) - np.float32(0.8)
    slubs = smooth_noise(rng, (size, size), (size // 3, 8)) + smooth_noise(rng, (size, size), (8, size // 3))
    folds = smooth_noise(rng, (size, size), (4, 4))
    shade = 1 + weave * np.float32(0.09) + slubs * np.float32(0.08) + folds * np.float32(0.07)
    return base * shade[..., None], weave * np.float32(0.7) + slubs * np.float32(0.3)


PAINTERS: tuple[Callable[[np.random.Generator, int], Texture], ...] = (
    paint_wood,
    paint_wood,
    paint_felt,
    paint_paper,
    paint_concrete,
    paint_metal,
    paint_cutting_mat,
    paint_linen,
)


def paint_desktop(rng: np.random.Generator, size: int, light: tuple[float, float]) -> Colour:
    """Paint a random desk surface.

    Args:
        rng: The only source of randomness.
        size: Side of the square texture in pixels.
        light: Direction towards the light along the texture's x and y, length 0..1; longer is more grazing.

    Returns:
        Linear light, float32 of shape (size, size, 3), 0..1.
    """
    colour, bump = PAINTERS[int(rng.integers(len(PAINTERS)))](rng, size)
    slope = np.zeros_like(bump)
    slope[:, 1:-1] -= (bump[:, 2:] - bump[:, :-2]) * np.float32(light[0])
    slope[1:-1] -= (bump[2:] - bump[:-2]) * np.float32(light[1])
    lit = colour * np.clip(1 + slope * np.float32(0.11), 0.3, 1.8)[..., None]
    clipped: Colour = np.clip(lit, 0, 1).astype(np.float32)
    return clipped
