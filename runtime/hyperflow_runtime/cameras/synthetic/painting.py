"""From a view and a pose to a frame: a few milliseconds with Pillow and numpy."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hyperflow_runtime.cameras.synthetic.handheld import Pose
from hyperflow_runtime.cameras.synthetic.views import load_view

__all__ = ["FramePainter"]

_SEEN_HEIGHT = 0.81  # of a view, at zoom 1; the rest is room for the hand
# A view is enlarged once; then each frame takes the nearest pixels, at a quarter of the cost of blending four.
_FINENESS = 1.6  # pixels of the enlarged view for each pixel of a frame
_MAX_ENLARGED_PX = 2400
_NOISE_KEY = 1
_NOISE_MARGIN_PX = 61
_NOISE_SD = (2.2, 1.3)  # of all channels together, and of each


class FramePainter:
    """Paints frames of one size."""

    def __init__(self, width: int, height: int, seed: int) -> None:
        """Draw the noise; a view is loaded when it is painted first.

        Args:
            width: Of the frames, pixels, 1 or more.
            height: Likewise.
            seed: Of the noise.
        """
        self._width, self._height = width, height
        self._enlarged: tuple[str, Image.Image] | None = None
        rng = np.random.default_rng([seed, _NOISE_KEY])
        shape = (height + _NOISE_MARGIN_PX, width + _NOISE_MARGIN_PX)
        shared = rng.standard_normal((*shape, 1), dtype=np.float32) * np.float32(_NOISE_SD[0])
        own = rng.standard_normal((*shape, 3), dtype=np.float32) * np.float32(_NOISE_SD[1])
        self._noise = np.rint(shared + own).astype(np.int8)

    def frame(self, view: str, pose: Pose, number: int) -> NDArray[np.uint8]:
        """Return what a camera sees.

        Args:
            view: Name of the view, one of `view_files`.
            pose: Where the camera is.
            number: Of the frame; each has its own noise.

        Returns:
            BGR, (H, W, 3).
        """
        levels = [min(255, round(level * pose.gain)) for level in range(256)]
        lit = np.asarray(self._seen(view, pose).point(levels * 3))
        down, right = (number * 37) % _NOISE_MARGIN_PX, (number * 23) % _NOISE_MARGIN_PX
        noise = self._noise[down : down + self._height, right : right + self._width]
        noisy = np.add(lit, noise, dtype=np.int16)
        image_bgr: NDArray[np.uint8] = np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
        return image_bgr

    def _seen(self, name: str, pose: Pose) -> Image.Image:
        view = self._enlarged_view(name)
        cos, sin = math.cos(pose.turn), math.sin(pose.turn)
        across = abs(cos) * self._width + abs(sin) * self._height
        along = abs(cos) * self._height + abs(sin) * self._width
        step = view.height * _SEEN_HEIGHT / pose.zoom / self._height
        step = min(step, (view.width - 2) / across, (view.height - 2) / along)  # there is nothing beyond the edges
        x = _within(view.width / 2 + pose.right * step * self._height, across * step / 2 + 1, view.width)
        y = _within(view.height / 2 + pose.down * step * self._height, along * step / 2 + 1, view.height)
        cos, sin = cos * step, sin * step
        left = x - (cos * self._width - sin * self._height) / 2
        top = y - (sin * self._width + cos * self._height) / 2
        matrix = (cos, -sin, left, sin, cos, top)
        return view.transform((self._width, self._height), Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)

    def _enlarged_view(self, name: str) -> Image.Image:
        if self._enlarged is None or self._enlarged[0] != name:
            view = load_view(name)
            scale = min(_FINENESS * self._height / (_SEEN_HEIGHT * view.height), _MAX_ENLARGED_PX / view.width)
            size = (round(view.width * scale), round(view.height * scale))
            self._enlarged = (name, view.resize(size, Image.Resampling.BICUBIC))
        return self._enlarged[1]


def _within(centre: float, reach: float, size: float) -> float:
    """Move a centre so that `reach` to both sides of it stays inside 0..size."""
    return size / 2 if 2 * reach >= size else min(max(centre, reach), size - reach)
