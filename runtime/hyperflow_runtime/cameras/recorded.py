"""A recording as a source of frames, with the time between them as it was."""

from __future__ import annotations

import math
import re
from pathlib import Path

import msgspec

from hyperflow_runtime.cameras.recording import FRAMES_FILE, HEADER_FILE, MOST_FRAMES, RecordedFrame, RecordingHeader
from hyperflow_runtime.cameras.source import EndOfSource, SourceFrame, Stage
from hyperflow_runtime.errors import CameraError, FrameError
from hyperflow_runtime.frames import read_image

__all__ = ["RecordedSource"]

_MOST_HEADER_BYTES = 2**16
_MOST_BYTES = 256 * 2**20  # of the list of frames
_NAME = re.compile(r"[0-9]{6,9}\.jpg")
_LONGEST_GAP_S = 60.0
_SHORTEST_GAP_S = 1 / 240


class RecordedSource:
    """Replays a folder that `Recorder` wrote. A last line that was cut off by a crash is left out."""

    def __init__(self, path: Path, *, loop: bool) -> None:
        """Name the folder; nothing is read before `open`.

        Args:
            path: Of the recording.
            loop: Start again at the end.
        """
        self._path, self._loop = path, loop
        self._frames: list[RecordedFrame] = []
        self._next = 0

    @property
    def description(self) -> str:
        return f"the recording {self._path}"

    @property
    def is_live(self) -> bool:
        return False

    @property
    def stage(self) -> Stage | None:
        return None

    @property
    def nominal_fps(self) -> float | None:
        """Rate that brings the next frame as long after the last one as it came then."""
        if not 0 < self._next < len(self._frames):
            return 30.0
        gap_s = self._frames[self._next].at_s - self._frames[self._next - 1].at_s
        return 1.0 / min(max(gap_s, _SHORTEST_GAP_S), _LONGEST_GAP_S)

    def open(self) -> None:
        self._read_header()
        self._frames, self._next = self._read_list(), 0

    def _read_header(self) -> None:
        file = self._path / HEADER_FILE
        try:
            msgspec.json.decode(_bytes_of(file, _MOST_HEADER_BYTES), type=RecordingHeader)
        except OSError as error:
            raise CameraError(
                f"no recording in {self._path} ({HEADER_FILE}: {error.strerror}); "
                "make one with: hyperflow-runtime camera URI --record FOLDER"
            ) from error
        except msgspec.MsgspecError as error:
            raise CameraError(
                f"{file} is no header of a recording that this version reads ({error}); record again"
            ) from error

    def _read_list(self) -> list[RecordedFrame]:
        file = self._path / FRAMES_FILE
        try:
            lines = _bytes_of(file, _MOST_BYTES).split(b"\n")
        except OSError as error:
            raise CameraError(f"{file} cannot be read ({error.strerror}); record again") from error
        if len(lines) - 1 > MOST_FRAMES:
            raise CameraError(f"{file} lists {len(lines) - 1} frames, a recording has at most {MOST_FRAMES}")
        frames: list[RecordedFrame] = []
        for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline was cut off
            frames.append(_checked(line, f"{file}, line {number}", frames[-1].at_s if frames else 0.0))
        if not frames:
            raise CameraError(f"{file} lists no frames; record again")
        return frames

    def read(self) -> SourceFrame:
        if not self._frames:
            self.open()
        if self._next >= len(self._frames):
            if not self._loop:
                raise EndOfSource(f"{self.description} is over")
            self._next = 0
        frame = self._frames[self._next]
        self._next += 1
        picture = self._path / frame.file
        if picture.is_symlink():
            raise CameraError(f"{self.description} is torn: {picture} is a link; a recording holds its own pictures")
        try:
            return SourceFrame(read_image(picture), frame.label)
        except FrameError as error:
            raise CameraError(f"{self.description} is torn: {error}") from error

    def close(self) -> None:
        self._frames, self._next = [], 0


def _bytes_of(file: Path, most: int) -> bytes:
    size = file.stat().st_size
    if not file.is_file() or size > most:
        raise CameraError(f"{file} is no file of a recording: {size} bytes, at most {most} are read; record again")
    return file.read_bytes()


def _checked(line: bytes, where: str, not_before_s: float) -> RecordedFrame:
    try:
        frame = msgspec.json.decode(line, type=RecordedFrame)
    except msgspec.MsgspecError as error:
        raise CameraError(f"{where} is no frame of a recording ({error}); record again") from error
    if not _NAME.fullmatch(frame.file):  # so that no path leads out of the folder
        raise CameraError(f"{where} names {frame.file!r:.80}, not a picture like 000000.jpg beside it; record again")
    if not (math.isfinite(frame.at_s) and frame.at_s >= not_before_s):
        raise CameraError(f"{where} has the time {frame.at_s} after {not_before_s}; times must not go back")
    return frame
