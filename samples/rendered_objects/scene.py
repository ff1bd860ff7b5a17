"""Photos of single objects on a desk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image

from camera import Viewpoint, desk_plane, expose, project_texture, random_viewpoint
from desk_things import draw_leaf, draw_pencil, draw_scissors, draw_spoon
from desktops import paint_desktop
from hardware import draw_bolt, draw_gear, draw_key, draw_nut, draw_wrench
from light import Lamp, cast_shadow, random_lamp, shade
from materials import Colour
from mug import draw_mug
from relief import Relief
from shapes import Plane

IMAGE_SIZE = 256
SUPERSAMPLING = 2

DRAWERS: Mapping[str, Callable[[Plane, np.random.Generator], Relief]] = MappingProxyType(
    {
        "bolt": draw_bolt,
        "gear": draw_gear,
        "key": draw_key,
        "leaf": draw_leaf,
        "mug": draw_mug,
        "nut": draw_nut,
        "pencil": draw_pencil,
        "scissors": draw_scissors,
        "spoon": draw_spoon,
        "wrench": draw_wrench,
    }
)
KINDS: tuple[str, ...] = tuple(DRAWERS)

_FLAT_TILT = (0.0, 38.0)
_STANDING_TILT = (22.0, 44.0)


@dataclass(frozen=True)
class Sight:
    """Where the camera stands and what lights the desk.

    Attributes:
        view: The viewpoint.
        plane: The desk plane of that viewpoint.
        lamp: The lamp.
    """

    view: Viewpoint
    plane: Plane
    lamp: Lamp


def lit_desk(sight: Sight, angle: float, rng: np.random.Generator) -> Colour:
    """Return the light from an empty desk.

    Args:
        sight: Viewpoint and lamp.
        angle: Angle of the desk's texture, radians.
        rng: Draws what the desk is made of.

    Returns:
        Linear light, float32 of shape (H, W, 3), 0..1.
    """
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    x, y, _ = sight.lamp.direction
    grazing = (x * cos + y * sin, y * cos - x * sin)
    return project_texture(paint_desktop(rng, max(sight.plane.shape), grazing), sight.view, sight.plane, angle)


def put_down(
    kind: str, desk: Colour, sight: Sight, *, shape_rng: np.random.Generator, grain_rng: np.random.Generator
) -> Colour:
    """Lay an object on a desk.

    Args:
        kind: One of `KINDS`.
        desk: The light from the desk, (H, W, 3).
        sight: Viewpoint and lamp.
        shape_rng: Draws the object's shape and materials: equal states give the very same object in every view.
        grain_rng: Draws its surface's grain.

    Returns:
        Linear light, float32 of shape (H, W, 3), 0 or more.
    """
    unit = sight.view.unit
    relief = DRAWERS[kind](sight.plane.turned(sight.view.spin), shape_rng)
    desk = desk * cast_shadow(relief, sight.lamp, unit)[..., None]
    coverage = np.clip(np.float32(0.5) - relief.distance * np.float32(unit), 0, 1)[..., None]
    covered: Colour = desk + (shade(relief, sight.lamp, unit, grain_rng) - desk) * coverage
    return covered


def render_object(kind: str, rng: np.random.Generator) -> Image.Image:
    """Photograph one object of a kind with its own shape, material, pose, light, desk and camera errors.

    Args:
        kind: One of `KINDS`.
        rng: The only source of randomness; equal states give equal pixels.

    Returns:
        An RGB image of 256 x 256 pixels.

    Raises:
        ValueError: If `kind` is unknown.
    """
    if kind not in DRAWERS:
        raise ValueError(f"unknown kind {kind!r}; choose from {', '.join(KINDS)}")
    size = IMAGE_SIZE * SUPERSAMPLING
    view = random_viewpoint(rng, size, _STANDING_TILT if kind == "mug" else _FLAT_TILT)
    lamp = random_lamp(rng)
    sight = Sight(view, desk_plane(view, (size, size)), lamp)
    desk = lit_desk(sight, float(rng.uniform(0, 2 * np.pi)), rng)
    return expose(put_down(kind, desk, sight, shape_rng=rng, grain_rng=rng), lamp, rng, SUPERSAMPLING)
