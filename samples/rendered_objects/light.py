"""The lamp, and how an object's relief looks under it."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from materials import Colour
from noise import Field, resized, white_noise
from relief import Relief


@dataclass(frozen=True)
class Lamp:
    """One large lamp and the soft light of the room.

    Attributes:
        direction: Unit vector towards the lamp: x right, y down, z towards the camera.
        softness: Blur of the shadow as a share of the image's side, about 0.005..0.03.
        ambient: Share of light that comes from everywhere, 0..1.
        warmth: Gains of red, green and blue, about 1.
        falloff: Relative change of brightness from the image's centre to the side facing the lamp, 0..0.5.
    """

    direction: tuple[float, float, float]
    softness: float
    ambient: float
    warmth: tuple[float, float, float]
    falloff: float


def random_lamp(rng: np.random.Generator, azimuth: tuple[float, float] = (0.0, 2 * math.pi)) -> Lamp:
    """Draw a lamp 35 to 65 degrees above the desk.

    Args:
        rng: The only source of randomness.
        azimuth: Range of the direction in which it stands, radians; anywhere around the desk, unless told.
    """
    turn, elevation = rng.uniform(*azimuth), math.radians(rng.uniform(35, 65))
    warm = rng.normal(0, 0.07)
    flat = math.cos(elevation)
    return Lamp(
        direction=(flat * math.cos(turn), flat * math.sin(turn), math.sin(elevation)),
        softness=rng.uniform(0.006, 0.028),
        ambient=rng.uniform(0.3, 0.5),
        warmth=(1 + warm, 1.0 + rng.normal(0, 0.015), 1 - warm),
        falloff=rng.uniform(0.08, 0.35),
    )


def _normals(relief: Relief, unit: float, rng: np.random.Generator) -> tuple[Field, Field, Field]:
    """Return the components of the surface normal; `unit` is the size of an object unit in pixels."""
    down, right = np.gradient(relief.height)
    grain = relief.finish_map("grain")
    rough = white_noise(rng, grain.shape) * grain
    slope_x: Field = np.clip(right * np.float32(unit), -4, 4) + rough
    slope_y: Field = np.clip(down * np.float32(unit), -4, 4) + np.roll(rough, 7, axis=1)
    length: Field = np.sqrt(slope_x * slope_x + slope_y * slope_y + np.float32(1))
    scale = np.float32(1) / length
    return -slope_x * scale, -slope_y * scale, scale


def _room_reflection(mirror_x: Field, mirror_y: Field, lamp: Lamp) -> Field:
    """Brightness of the room in a mirror direction: dark floor, bright wall, a softbox beside the lamp."""
    x, y = np.asarray(lamp.direction[:2], dtype=np.float32) / np.float32(math.hypot(*lamp.direction[:2]))
    towards = mirror_x * x + mirror_y * y
    wall = 1 / (1 + np.exp(towards * np.float32(-4.5)))
    softbox = np.exp(-(((towards - np.float32(0.5)) / np.float32(0.2)) ** 2))
    horizon = np.exp(-(((towards + np.float32(0.35)) / np.float32(0.16)) ** 2))
    brightness: Field = wall * np.float32(0.7) + softbox * np.float32(0.95) - horizon * np.float32(0.1)
    return brightness + np.float32(0.14)


def shade(relief: Relief, lamp: Lamp, unit: float, rng: np.random.Generator) -> Colour:
    """Light an object.

    Args:
        relief: The object.
        lamp: The lamp.
        unit: Size of an object unit in pixels.
        rng: Draws the surface's grain.

    Returns:
        Linear light, float32 of shape (H, W, 3), 0 or more.
    """
    x, y, z = _normals(relief, unit, rng)
    lx, ly, lz = (np.float32(part) for part in lamp.direction)
    facing = np.clip(x * lx + y * ly + z * lz, 0, None) / lz
    halfway = math.sqrt(2 + 2 * float(lz))
    glint = np.clip((x * lx + y * ly + z * (lz + 1)) / np.float32(halfway), 1e-4, 1)
    highlight = relief.finish_map("specular") * np.exp(relief.finish_map("sharpness") * np.log(glint))
    rows, columns = relief.height.shape
    # A flat mirror shows a slightly different part of the room at each place, hence the gradient over the image.
    sweep_x = np.linspace(-0.5, 0.5, columns, dtype=np.float32)[None, :]
    sweep_y = np.linspace(-0.5, 0.5, rows, dtype=np.float32)[:, None]
    mirrored = _room_reflection(2 * z * x + sweep_x, 2 * z * y + sweep_y, lamp)
    metal = relief.finish_map("metal")
    small = resized(relief.height, (rows // 8, columns // 8))
    crevice = np.clip((resized(small, (rows, columns)) - relief.height) * np.float32(4), 0, 0.45)
    diffuse = (np.float32(lamp.ambient) + np.float32(1 - lamp.ambient) * facing) * (1 - metal)
    strength = (diffuse + mirrored * metal) * (1 - crevice)
    lit: Colour = relief.colour * strength[..., None] + highlight[..., None]
    return lit


def cast_shadow(relief: Relief, lamp: Lamp, unit: float) -> Field:
    """Return how much lamp light reaches the desk beside the object, float32 of shape (H, W), about 0.1..1."""
    rows, columns = relief.distance.shape
    step = 4
    solid = Image.fromarray(np.where(relief.distance < 0, 255, 0).astype(np.uint8)).reduce(step)
    length = relief.rise * unit / step / lamp.direction[2]
    swept = np.asarray(solid)
    for share in np.linspace(0.15, 1, 7):
        shift_x, shift_y = lamp.direction[0] * length * share, lamp.direction[1] * length * share
        moved = solid.transform(
            solid.size, Image.Transform.AFFINE, (1, 0, shift_x, 0, 1, shift_y), Image.Resampling.BILINEAR
        )
        swept = np.maximum(swept, np.asarray(moved))
    blur = lamp.softness * columns / step
    soft = np.asarray(Image.fromarray(swept).filter(ImageFilter.GaussianBlur(blur)), dtype=np.float32)
    contact = np.asarray(solid.filter(ImageFilter.GaussianBlur(0.05 * columns / step)), dtype=np.float32)
    dark = soft * np.float32((1 - lamp.ambient) / 255 * 0.95) + contact * np.float32(lamp.ambient / 255 * 0.5)
    return 1 - np.clip(resized(dark, (rows, columns)), 0, 0.92)
