"""Frames of images seen lately, so that an image drawn for many episodes is decoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from PIL import Image

from hyperflow.evaluation.methods import Frame
from hyperflow.images.image_set import ImageSet

__all__ = ["FrameCache"]

_LIMIT_BYTES = 512 * 1024 * 1024


class FrameCache:
    """Keeps the frames used last, up to a number of bytes."""

    def __init__(self, frame: Callable[[Image.Image], Frame], limit_bytes: int = _LIMIT_BYTES) -> None:
        """Keep nothing yet.

        Args:
            frame: Makes a frame of a decoded image.
            limit_bytes: Most bytes of pixels to keep.
        """
        self._frame, self._limit_bytes = frame, limit_bytes
        self._kept: OrderedDict[tuple[str, Hashable], Frame] = OrderedDict()
        self.n_bytes = 0

    def frame_of(self, image_set: ImageSet, member: str) -> Frame:
        """Frame of one image of a set.

        Raises:
            DataError: The image cannot be decoded.
        """
        key = (image_set.name, member)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        frame = self._frame(image_set.image(member))
        self._kept[key] = frame
        self.n_bytes += frame.nbytes
        while self.n_bytes > self._limit_bytes:
            self.n_bytes -= self._kept.popitem(last=False)[1].nbytes
        return frame
