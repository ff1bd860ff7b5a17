"""The rendered views that the scene is made of: `views/THING-00.jpg`, and `views/desk-00.jpg` of the empty desk.

`samples/rendered_objects/render_views.py` renders them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from PIL import Image

from hyperflow_runtime.errors import CameraError

__all__ = ["EMPTY_DESK", "load_view", "view_files"]

EMPTY_DESK = "desk"


@cache
def view_files() -> Mapping[str, tuple[str, ...]]:
    """Names of the views of each thing, and of the empty desk, in order.

    Raises:
        CameraError: The package came without its pictures.
    """
    names: dict[str, list[str]] = {}
    folder = resources.files(__package__).joinpath("views")
    files = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    for name in files:
        thing, _, rest = name.rpartition("-")
        if rest.endswith(".jpg"):
            names.setdefault(thing, []).append(name)
    if EMPTY_DESK not in names or len(names) < 2:
        raise CameraError(
            "hyperflow_runtime was installed without the pictures of its rendered scene; install it again"
        )
    return MappingProxyType({thing: tuple(views) for thing, views in names.items()})


def load_view(name: str) -> Image.Image:
    """Decode one view; its channels are swapped, so that its "RGB" is a frame's BGR.

    Args:
        name: One of `view_files`.
    """
    data = resources.files(__package__).joinpath("views", name).read_bytes()
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
        red, green, blue = picture.convert("RGB").split()
    return Image.merge("RGB", (blue, green, red))
