"""Views of ten single things on one desk: what the runtime's rendered scene is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from camera import desk_plane, develop, random_viewpoint, with_margins
from light import random_lamp
from scene import KINDS, SUPERSAMPLING, Sight, lit_desk, put_down

WIDTH, HEIGHT = 560, 420
EMPTY_DESK = "desk"

_INNER = 304  # side of the square that the thing fills; the rest is room for a camera that moves
_QUALITY = 76
_DESK_SEED = 25
_LAMP_AZIMUTH = (-2.6, -1.8)  # from the upper left
_MOST_DESK_TURN = 0.15
_LEFT_OF_TINT = 0.4  # what a camera's own white balance leaves of the lamp's colour


@dataclass(frozen=True)
class Thing:
    """One thing of its kind, and how people lay it before a camera.

    Attributes:
        shape_seed: Draws its shape and materials.
        spin: How it usually lies, radians.
        most_turn: How far it is turned from that, radians.
        tilt: Range of the angle between the camera's axis and straight down, degrees.
    """

    shape_seed: int
    spin: float
    most_turn: float = 0.4
    tilt: tuple[float, float] = (0.0, 20.0)


THINGS: Mapping[str, Thing] = MappingProxyType(
    {
        "bolt": Thing(1, spin=2.5),
        "gear": Thing(0, spin=0.0),
        "key": Thing(5, spin=-2.6),
        "leaf": Thing(0, spin=2.1),
        "mug": Thing(2, spin=0.0, tilt=(22.0, 36.0)),
        "nut": Thing(3, spin=0.0),
        "pencil": Thing(5, spin=-1.9, most_turn=0.15),
        "scissors": Thing(3, spin=-1.9),
        "spoon": Thing(2, spin=1.3, most_turn=0.25),
        "wrench": Thing(3, spin=0.4, most_turn=0.2),
    }
)
_NOTHING = Thing(0, spin=0.0)


def render_view(kind: str | None, number: int, seed: int = 0) -> Image.Image:
    """Photograph the one thing of a kind, or the empty desk, once more.

    The thing has the same shape and materials in all views, and lies on the same desk; how it lies, the camera's place
    and the light differ. The camera is perfect: blur and noise are the live scene's affair.

    Args:
        kind: One of `scene.KINDS`; None for the empty desk.
        number: Of the view, 0 or more.
        seed: Seed of all randomness, 0 or more.

    Returns:
        RGB, 560 x 420 pixels.
    """
    thing, kind_index = (_NOTHING, len(KINDS)) if kind is None else (THINGS[kind], KINDS.index(kind))
    rng = np.random.default_rng([seed, kind_index, number])
    inner, shape = _INNER * SUPERSAMPLING, (HEIGHT * SUPERSAMPLING, WIDTH * SUPERSAMPLING)
    spin = thing.spin + rng.uniform(-1, 1) * thing.most_turn
    view = replace(random_viewpoint(rng, inner, thing.tilt), spin=spin)
    view = with_margins(view, (shape[1] - inner) // 2, (shape[0] - inner) // 2)
    lamp = random_lamp(rng, _LAMP_AZIMUTH)
    red, green, blue = (1 + (gain - 1) * _LEFT_OF_TINT for gain in lamp.warmth)
    sight = Sight(view, desk_plane(view, shape), replace(lamp, warmth=(red, green, blue)))
    light = lit_desk(sight, rng.uniform(-1, 1) * _MOST_DESK_TURN, np.random.default_rng(_DESK_SEED))
    if kind is not None:
        shape_rng = np.random.default_rng([thing.shape_seed, kind_index])
        light = put_down(kind, light, sight, shape_rng=shape_rng, grain_rng=rng)
    exposure, vignette = rng.uniform(0.9, 1.15), rng.uniform(0.0, 0.2)
    photo = develop(light, sight.lamp, exposure=exposure, vignette=vignette, supersampling=SUPERSAMPLING)
    return Image.fromarray(photo)


def write_views(folder: Path, *, n_views: int) -> Iterator[Path]:
    """Render all views and write them as `folder/KIND-00.jpg`, and as `folder/desk-00.jpg` where there is no thing.

    Args:
        folder: Where to write; made if missing, views of the same name are replaced.
        n_views: Views of each thing, and of the empty desk, 1..100.

    Yields:
        Each file when it is written.

    Raises:
        ValueError: If `n_views` is out of range.
    """
    if not 1 <= n_views <= 100:
        raise ValueError(f"n_views={n_views} must be 1..100")
    folder.mkdir(parents=True, exist_ok=True)
    for kind in (*KINDS, None):
        for number in range(n_views):
            file = folder / f"{kind or EMPTY_DESK}-{number:02d}.jpg"
            render_view(kind, number).save(file, quality=_QUALITY, optimize=True)
            yield file
