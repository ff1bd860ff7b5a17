"""Video files."""

from __future__ import annotations

from pathlib import Path

from hyperflow_runtime.cameras.opencv.gstreamer import decodes_on_board, file_pipeline
from hyperflow_runtime.cameras.opencv.library import has_support, load_opencv
from hyperflow_runtime.cameras.opencv.reading import Reading
from hyperflow_runtime.cameras.source import EndOfSource, SourceFrame
from hyperflow_runtime.errors import CameraError

__all__ = ["FileSource"]

_MOST_FPS = 240.0
_UNKNOWN_FPS = 30.0


class FileSource:
    """A video file, from its first frame to its last; see `Source`.

    A torn file gives the frames in front of the tear.
    """

    is_live = False
    stage = None

    def __init__(self, path: Path, *, fps: float | None, loop: bool) -> None:
        """Take note of a file.

        Args:
            path: The file, of any kind that OpenCV's FFmpeg or GStreamer reads.
            fps: Rate to play it at; None for its own, up to 240, or 30 where it states none.
            loop: Begin again at the end.
        """
        self._path, self._fps, self._loop = path, fps, loop
        self._own_fps: float | None = None
        self._reading: Reading | None = None
        self._n_read = 0

    @property
    def description(self) -> str:
        return str(self._path)

    @property
    def nominal_fps(self) -> float | None:
        return self._fps or self._own_fps

    def open(self) -> None:
        path = self._path.absolute()
        try:
            if not path.exists():
                raise CameraError(f"{self._path}: no such video file")
            if not path.is_file():
                raise CameraError(f"{self._path} is no file; a folder of pictures is dir://{self._path}")
            with path.open("rb") as file:
                is_empty = not file.read(1)
        except OSError as error:
            raise CameraError(f"{self._path} cannot be read: {error.strerror}") from error
        if is_empty:
            raise CameraError(f"{self._path} is an empty file")
        cv2 = load_opencv()
        reading = _open(path)
        if reading is None:
            raise CameraError(
                f"{self._path} is no video that this OpenCV reads, or it is torn: try ffprobe on it, "
                "and ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p OUT.mp4"
            )
        fps = reading.get(cv2.CAP_PROP_FPS)
        self._own_fps = min(fps, _MOST_FPS) if fps > 0 else _UNKNOWN_FPS
        self._reading, self._n_read = reading, 0

    def read(self) -> SourceFrame:
        if self._reading is None:
            raise CameraError(f"{self._path} is not open")
        image = self._reading.read()
        if image is None and self._n_read == 0:
            raise CameraError(f"{self._path} holds no pictures")
        if image is None and self._loop:
            self.close()
            self.open()
            return self.read()
        if image is None:
            raise EndOfSource(f"{self._path} is over")
        self._n_read += 1
        return SourceFrame(image)

    def close(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()


def _open(path: Path) -> Reading | None:
    """Try FFmpeg, then GStreamer; not OpenCV's other readers, one of which takes pictures with numbers for a video."""
    reading = Reading.open(str(path), "CAP_FFMPEG") if has_support("FFMPEG") else None
    if reading is None and has_support("GStreamer"):
        reading = Reading.open(file_pipeline(path.as_uri(), on_board=decodes_on_board()), "CAP_GSTREAMER")
    return reading
