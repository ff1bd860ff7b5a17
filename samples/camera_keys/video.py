"""A video of what was shown, written under another name until it is whole."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["VideoError", "VideoFile"]

_CODECS = {".mp4": ("mp4v", "avc1"), ".avi": ("MJPG",)}
_MOST_REPEATS_S = 10.0


class VideoError(RuntimeError):
    """A video cannot be written."""


class VideoFile:
    """Writes canvases at a constant rate: one that comes late is repeated, one that comes early left out.

    A context manager; the file is complete afterwards, also when the run was interrupted.

    Attributes:
        path: The file.
        fps: Pictures a second; changed before the first picture only.
    """

    def __init__(self, path: Path, fps: float = 30.0) -> None:
        """Choose the file; it is opened with the first picture.

        Args:
            path: NAME.mp4 or NAME.avi. An OpenCV that cannot write MP4 writes NAME.avi.
            fps: Pictures a second.

        Raises:
            VideoError: Another kind of file, or no such folder.
        """
        if path.suffix.lower() not in _CODECS:
            raise VideoError(f"--video must end in .mp4 or .avi, got {path.name!r:.80}")
        if not path.parent.is_dir():
            raise VideoError(f"there is no folder {path.parent} for {path.name}; make it first")
        self.path, self.fps = path, fps
        self._writer: cv2.VideoWriter | None = None
        self._partial = path
        self._size = (0, 0)
        self._n_written = 0

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        os.replace(self._partial, self.path)

    def show(self, canvas: NDArray[np.uint8], at_s: float) -> None:
        """Write a canvas.

        Args:
            canvas: BGR, (H, W, 3); brought to the size of the first.
            at_s: Its time, seconds since the first.

        Raises:
            VideoError: No codec works.
        """
        if self._writer is None:
            self._open(canvas.shape[1], canvas.shape[0])
        assert self._writer is not None
        if (canvas.shape[1], canvas.shape[0]) != self._size:  # a camera that came back with another size
            canvas = cv2.resize(canvas, self._size).astype(np.uint8)
        n_due = round(at_s * self.fps) + 1 - self._n_written
        for _ in range(min(n_due, round(_MOST_REPEATS_S * self.fps))):
            self._writer.write(canvas)
        self._n_written += max(0, n_due)

    def _open(self, width: int, height: int) -> None:
        wanted = self.path.suffix.lower()
        for suffix, codecs in _CODECS.items():
            if wanted == ".avi" and suffix != wanted:
                continue
            for codec in codecs:
                path = self.path.with_suffix(suffix)
                partial = path.with_name(f".{path.stem}.partial{suffix}")
                writer = cv2.VideoWriter(str(partial), cv2.VideoWriter.fourcc(*codec), self.fps, (width, height))
                if writer.isOpened():
                    self.path, self._partial, self._writer, self._size = path, partial, writer, (width, height)
                    return
                partial.unlink(missing_ok=True)
        raise VideoError(
            f"OpenCV {cv2.__version__} cannot write {self.path}; is the folder writable, and the disk not full?"
        )
