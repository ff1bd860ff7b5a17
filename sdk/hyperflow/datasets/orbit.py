"""ORBIT: `ROOT/{train,validation,test}/USER/OBJECT/{clean,clutter}/VIDEO/FRAME.jpg`; every user is a set.

`ROOT/annotations/MODE/VIDEO.json` maps a frame's file name to its flags, of which `object_not_present_issue` decides
whether a frame can be a query. A folder of one mode, without the root, can be opened too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hyperflow.datasets.split import Split
from hyperflow.errors import DataError
from hyperflow.images.image_set import IMAGE_SUFFIXES, FolderSource, ImageSet
from hyperflow.images.structure import Video, Videos

__all__ = ["is_orbit", "missing_in_orbit", "open_orbit"]

_MODES: dict[Split, str] = {"TRAIN": "train", "VALID": "validation", "TEST": "test"}
_MAX_ANNOTATION_BYTES = 1 << 26


class _FrameFlags(msgspec.Struct, frozen=True):
    object_not_present_issue: bool | None = None


def _folders(path: Path) -> list[Path]:
    return sorted(child for child in path.glob("[!.]*") if child.is_dir())


def _is_mode(path: Path) -> bool:
    return any(path.glob("[!.]*/[!.]*/clean")) or any(path.glob("[!.]*/[!.]*/clutter"))


def _modes(path: Path, split: Split | None) -> list[Path]:
    """Folders of users: those of the split, or `path` itself where it holds users."""
    if path.name in _MODES.values() and _is_mode(path):
        return [path] if split is None or _MODES[split] == path.name else []
    names = _MODES.values() if split is None else [_MODES[split]]
    return [path / name for name in names if (path / name).is_dir()]


def is_orbit(path: Path) -> bool:
    """Whether a folder is ORBIT's root, or one of its modes."""
    return any(_is_mode(mode) for mode in _modes(path, None))


def missing_in_orbit(path: Path, split: Split | None) -> list[str]:
    """Return which modes, annotations and kinds of videos are absent."""
    problems = []
    modes = _modes(path, split)
    if split is not None and not modes:
        problems.append(f"ORBIT: no users of {split}, expected in {path / _MODES[split]}")
    for mode in modes:
        clutter = [folder for folder in sorted(mode.glob("[!.]*/[!.]*/clutter/[!.]*")) if folder.is_dir()]
        absent = [video.name for video in clutter if not _annotation_path(mode, video.name).is_file()]
        if absent:
            problems.append(
                f"ORBIT: {len(absent)} of {len(clutter)} clutter videos of {mode.name} have no annotation, expected "
                f"at {_annotation_path(mode, absent[0])}"
            )
        for user in _folders(mode):
            for thing in _folders(user):
                if not (thing / "clean").is_dir():
                    problems.append(f"ORBIT: {thing} has no clean videos, so the object cannot be learned")
    return problems


def open_orbit(path: Path, split: Split | None) -> list[ImageSet]:
    """Open every user of a mode, or of all modes.

    Raises:
        DataError: An annotation is torn, or a user has no frame.
    """
    return [_open_user(mode, user) for mode in _modes(path, split) for user in _folders(mode)]


def _annotation_path(mode: Path, video: str) -> Path:
    return mode.parent / "annotations" / mode.name / f"{video}.json"


def _open_user(mode: Path, user: Path) -> ImageSet:
    classes: dict[str, tuple[str, ...]] = {}
    videos: list[Video] = []
    row = 0
    for thing in _folders(user):
        members: list[str] = []
        for folder, is_clean in _videos_of(thing):
            frames = sorted(frame.name for frame in folder.iterdir() if frame.suffix.lower() in IMAGE_SUFFIXES)
            shown = None if is_clean else _shows_object(_annotation_path(mode, folder.name), frames)
            videos.append(Video(folder.name, len(classes), is_clean, row, len(frames), shown))
            members += [f"{folder.relative_to(user).as_posix()}/{frame}" for frame in frames]
            row += len(frames)
        classes[thing.name] = tuple(members)
    if row == 0:
        raise DataError(f"{user} holds no frame; extract the user's videos again, or remove the folder")
    structure = Videos(tuple(videos), str(mode.parent / "annotations" / mode.name))
    return ImageSet(user.name, classes, FolderSource(user), structure)


def _videos_of(thing: Path) -> Iterator[tuple[Path, bool]]:
    for kind, is_clean in (("clean", True), ("clutter", False)):
        if (thing / kind).is_dir():
            for video in _folders(thing / kind):
                yield video, is_clean


def _shows_object(path: Path, frames: list[str]) -> NDArray[np.bool_] | None:
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _MAX_ANNOTATION_BYTES:
            raise ValueError("too large")
        flags = msgspec.json.decode(path.read_bytes(), type=dict[str, _FrameFlags])
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path} is not a readable annotation ({error}); copy it again") from error
    return np.array([frame not in flags or not flags[frame].object_not_present_issue for frame in frames], dtype=bool)
