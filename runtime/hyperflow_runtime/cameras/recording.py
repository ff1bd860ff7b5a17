"""Writing down what a camera saw, so that `recorded://` can replay it without a lens."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Literal

import msgspec
from PIL import Image

from hyperflow_runtime._version import __version__
from hyperflow_runtime.cameras.captured import CapturedFrame
from hyperflow_runtime.errors import CameraError

__all__ = ["FRAMES_FILE", "HEADER_FILE", "MOST_FRAMES", "RecordedFrame", "Recorder", "RecordingHeader"]

HEADER_FILE = "recording.json"
FRAMES_FILE = "frames.jsonl"
MOST_FRAMES = 1_000_000


class RecordingHeader(msgspec.Struct, frozen=True):
    """What `recording.json` says.

    Attributes:
        schema: Version of the layout.
        created_by: Program and version.
    """

    schema: Literal[1]
    created_by: str


class RecordedFrame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of `frames.jsonl`.

    Attributes:
        file: Name of the JPEG beside it.
        at_s: Seconds since the first frame, not going back.
        label: See `CapturedFrame.label`.
    """

    file: str
    at_s: float
    label: str | None


class Recorder:
    """Writes frames to a folder: a JPEG each, and a line each, after the picture is whole. For one thread.

    Example:
        >>> with open_camera("/dev/video0") as camera, Recorder(Path("monday")) as recorder:  # doctest: +SKIP
        ...     for frame in camera.frames():
        ...         if not recorder.write(frame):
        ...             break
    """

    def __init__(self, folder: Path, *, max_bytes: int = 2 * 2**30, quality: int = 90) -> None:
        """Make the folder.

        Args:
            folder: New, or empty.
            max_bytes: Of all pictures; then `write` refuses.
            quality: Of the JPEGs, 1..95.

        Raises:
            CameraError: It holds something already, or cannot be made.
        """
        if not 1 <= quality <= 95 or max_bytes < 1:
            raise CameraError(f"quality must be 1..95 and max_bytes above 0, got {quality!r:.20} and {max_bytes!r:.40}")
        self._folder, self._max_bytes, self._quality = folder, max_bytes, quality
        self._n_frames = self._n_bytes = 0
        self._first_s: float | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise CameraError(f"{folder} is not empty; name a new folder for the recording")
            header = RecordingHeader(1, f"hyperflow_runtime {__version__}")
            self._replace(HEADER_FILE, msgspec.json.encode(header))
            self._lines = (folder / FRAMES_FILE).open("ab", buffering=0)
        except OSError as error:
            raise CameraError(f"a recording cannot be made in {folder} ({error.strerror})") from error

    @property
    def n_frames(self) -> int:
        """Frames written."""
        return self._n_frames

    @property
    def n_bytes(self) -> int:
        """Bytes of the pictures written."""
        return self._n_bytes

    def write(self, frame: CapturedFrame) -> bool:
        """Write one frame.

        Returns:
            False when the recording is full, and the frame was not written.

        Raises:
            CameraError: The disk is full, the folder is gone, or the recording was closed.
        """
        buffer = io.BytesIO()
        Image.fromarray(frame.image_bgr[:, :, ::-1]).save(buffer, "JPEG", quality=self._quality)
        if self._n_bytes + buffer.tell() > self._max_bytes or self._n_frames >= MOST_FRAMES:
            return False
        first_s = self._first_s = frame.captured_s if self._first_s is None else self._first_s
        name = f"{self._n_frames:06d}.jpg"
        line = RecordedFrame(name, round(max(frame.captured_s - first_s, 0.0), 6), frame.label)
        try:
            self._replace(name, buffer.getvalue())
            self._append(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            raise CameraError(
                f"frame {self._n_frames} cannot be written to {self._folder} ({error.strerror}); those before are safe"
            ) from error
        self._n_frames, self._n_bytes = self._n_frames + 1, self._n_bytes + buffer.tell()
        return True

    def _append(self, line: bytes) -> None:
        """Add a line to the list of frames; when only a part of it fits on the disk, take that back."""
        if self._lines.closed:
            raise CameraError(f"the recording in {self._folder} was closed; start another one")
        end = self._lines.tell()
        try:
            if self._lines.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._lines.truncate(end)
            self._lines.seek(end)
            raise

    def _replace(self, name: str, data: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".partial-", delete=False) as file:
            partial = Path(file.name)
            try:
                file.write(data)
                file.close()
                partial.chmod(0o644)  # temporary files are for their owner alone; a recording is not
                os.replace(partial, self._folder / name)
            finally:
                partial.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the list of frames; a second call does nothing."""
        self._lines.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
