"""A line for a soak: a video of three colours that take turns, and an adaptation that knows them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from hyperflow_runtime import open_bundle
from hyperflow_runtime.cameras.opening import open_camera

__all__ = ["can_make_video", "make_video", "teach"]

_COLOURS = ("red", "green", "blue")
_SHOWN_S = 3
_FPS = 10
_N_SHOT = 5


def can_make_video() -> bool:
    """Return whether there is an ffmpeg here."""
    return shutil.which("ffmpeg") is not None


def make_video(folder: Path, seconds: float) -> Path:
    """Show red, green and blue for three seconds each, with some noise, again and again.

    Args:
        folder: For the file.
        seconds: How long it is to be, at least.
    """
    piece, video = folder / "piece.mp4", folder / "line.mp4"
    colours = [f"color=c={colour}:s=320x240:r={_FPS}:d={_SHOWN_S}" for colour in _COLOURS]
    inputs = [argument for colour in colours for argument in ("-f", "lavfi", "-i", colour)]
    joined = f"concat=n={len(_COLOURS)}:v=1,noise=alls=20:allf=t,format=yuv420p"
    _ffmpeg(*inputs, "-filter_complex", joined, "-g", str(_FPS), piece)
    _ffmpeg("-stream_loop", str(int(seconds / (_SHOWN_S * len(_COLOURS))) + 1), "-i", piece, "-c", "copy", video)
    return video


def _ffmpeg(*arguments: object) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


def teach(bundle: Path, video: Path, adaptation: Path) -> None:
    """Adapt to five frames of each colour, and save that.

    Args:
        bundle: The model.
        video: Made by `make_video`.
        adaptation: File to write.
    """
    with open_bundle(bundle) as model, open_camera(f"file://{video}?pace=reader") as camera:
        session, after = model.session(bake=False), -1
        for number in range(_FPS * _SHOWN_S * len(_COLOURS)):
            frame = camera.read(after=after)
            after = frame.index
            place, age = divmod(number, _FPS * _SHOWN_S)
            if age % 5 == 2 and age < 5 * _N_SHOT:
                session.add(_COLOURS[place], frame.image_bgr)
        session.adapt()
        session.save(adaptation, overwrite=True)
