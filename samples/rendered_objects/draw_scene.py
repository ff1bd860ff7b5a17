"""Draw what the runtime's scene `synthetic://` shows, as one picture. See README.md beside this file."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions

_COLUMNS, _TILE = 4, (240, 180)
_SKIPPED_FRAMES = 16  # from one tile to the next, so that the hand has moved


def scene_sheet() -> Image.Image:
    """Return a sheet of everything that can be shown, the empty desk last and one thing twice."""
    with open_camera("synthetic://desk?width=480&height=360", CameraOptions(pace="reader")) as camera:
        stage, frame = camera.stage, camera.read()
        assert stage is not None
        shown = [*stage.things, stage.things[0], None]
        sheet = Image.new("RGB", (_COLUMNS * _TILE[0], -(-len(shown) // _COLUMNS) * _TILE[1]))
        for place, thing in enumerate(shown):
            stage.show(thing)
            first = frame.index
            while frame.label != (thing or "") or frame.index < first + _SKIPPED_FRAMES:
                frame = camera.read(after=frame.index)
            tile = Image.fromarray(frame.image_bgr[:, :, ::-1]).resize(_TILE, Image.Resampling.LANCZOS)
            sheet.paste(tile, (place % _COLUMNS * _TILE[0], place // _COLUMNS * _TILE[1]))
    return sheet


def main() -> None:
    """Draw the sheet and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Example: draw_scene.py build/synthetic-scene.jpg")
    parser.add_argument("picture", type=Path, help="file to write, .jpg")
    picture = parser.parse_args().picture
    scene_sheet().save(picture, "JPEG", quality=84, optimize=True)
    print(f"{picture}, {picture.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
