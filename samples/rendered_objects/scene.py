"""Photos of single objects on a desk."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from camera import desk_plane, expose, project_texture, random_viewpoint
from desk_things import draw_leaf, draw_pencil, draw_scissors, draw_spoon
from desktops import paint_desktop
from hardware import draw_bolt, draw_gear, draw_key, draw_nut, draw_wrench
from light import cast_shadow, random_lamp, shade
from mug import draw_mug
from PIL import Image
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
    plane = desk_plane(view, size)
    angle = float(rng.uniform(0, 2 * np.pi))
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    grazing = (lamp.direction[0] * cos + lamp.direction[1] * sin, lamp.direction[1] * cos - lamp.direction[0] * sin)
    desktop = project_texture(paint_desktop(rng, size, grazing), view, plane, angle)
    relief = DRAWERS[kind](plane.turned(view.spin), rng)
    desktop *= cast_shadow(relief, lamp, view.unit)[..., None]
    coverage = np.clip(np.float32(0.5) - relief.distance * np.float32(view.unit), 0, 1)[..., None]
    desktop += (shade(relief, lamp, view.unit, rng) - desktop) * coverage
    return expose(desktop, lamp, rng, SUPERSAMPLING)
