"""A folder of pictures as a source of frames."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from hyperflow_runtime.cameras.source import EndOfSource, SourceFrame, Stage
from hyperflow_runtime.errors import CameraError, FrameError
from hyperflow_runtime.frames import read_image

__all__ = ["FolderSource", "natural_order"]

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_FPS = 10.0
_MOST_FILES = 100_000


def natural_order(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key by which `shot-9` comes before `shot-10`, in any mixture of digits and other characters."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.lower())
    numbered = tuple((0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts)
    return numbered, name  # the name itself decides between `a1` and `A01`


class FolderSource:
    """Pictures of a folder, one after the other; of class folders, each with its folder's name as the label.

    A picture that cannot be read is left out. Links that lead out of the folder are not followed.
    """

    def __init__(self, path: Path, *, fps: float | None, loop: bool) -> None:
        """Name the folder; nothing is read before `open`.

        Args:
            path: Pictures, or class folders of pictures.
            fps: Pictures a second; None for 10.
            loop: Start again at the end.
        """
        self._path, self._fps, self._loop = path, _FPS if fps is None else fps, loop
        self._files: list[tuple[Path, str | None]] = []
        self._next = 0
        self._has_read = False
        self._last_failure = ""

    @property
    def description(self) -> str:
        return f"pictures in {self._path}"

    @property
    def is_live(self) -> bool:
        return False

    @property
    def stage(self) -> Stage | None:
        return None

    @property
    def nominal_fps(self) -> float | None:
        return self._fps

    def open(self) -> None:
        try:
            self._files = _pictures(self._path)
        except OSError as error:
            raise CameraError(f"the folder {self._path} cannot be read ({error.strerror}); check its path") from error
        if not self._files:
            raise CameraError(
                f"no pictures in {self._path}; put {', '.join(sorted(_SUFFIXES))} files there, or into class folders"
            )
        self._next, self._has_read = 0, False

    def read(self) -> SourceFrame:
        while True:
            if self._next >= len(self._files):
                self._start_again()
            file, label = self._files[self._next]
            self._next += 1
            try:
                image_bgr = read_image(file)
            except FrameError as error:
                self._last_failure = str(error)
                continue
            self._has_read = True
            return SourceFrame(image_bgr, label)

    def _start_again(self) -> None:
        if not self._has_read:
            # A folder of unreadable files must not be walked for ever.
            raise CameraError(self._last_failure or f"{self._path} is not open; open it first")
        if not self._loop:
            raise EndOfSource(f"{self.description} are over")
        self._next, self._has_read = 0, False

    def close(self) -> None:
        self._files = []
        self._next = 0


def _pictures(folder: Path) -> list[tuple[Path, str | None]]:
    top = folder.resolve(strict=True)
    found: list[tuple[Path, str | None]] = [(file, None) for file in _listed(top, top, _is_picture)]
    for group in _listed(top, top, _is_class_folder):
        found += ((file, group.name) for file in _listed(group, top, _is_picture))
        if len(found) > _MOST_FILES:
            raise _too_many(folder)
    return found


def _listed(folder: Path, top: Path, is_wanted: Callable[[os.DirEntry[str]], bool]) -> list[Path]:
    """Return what is wanted of a folder, in natural order, without links that lead out of `top`."""
    found: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and is_wanted(entry) and _stays_below(entry, top):
                found.append(Path(entry.path))
                if len(found) > _MOST_FILES:
                    raise _too_many(folder)
    return sorted(found, key=lambda path: natural_order(path.name))


def _is_picture(entry: os.DirEntry[str]) -> bool:
    return os.path.splitext(entry.name)[1].lower() in _SUFFIXES and os.path.isfile(entry.path)


def _is_class_folder(entry: os.DirEntry[str]) -> bool:
    return os.path.isdir(entry.path)


def _stays_below(entry: os.DirEntry[str], top: Path) -> bool:
    return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(top)


def _too_many(folder: Path) -> CameraError:
    return CameraError(f"{folder} holds more than {_MOST_FILES} files; name a smaller folder")
