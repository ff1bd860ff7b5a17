"""Videos: as many pictures as there is time, whole files, and reasons when there can be none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

Load = Callable[[str], ModuleType]
CANVAS = np.full((120, 160, 3), 90, np.uint8)


def n_pictures(path: Path) -> int:
    capture, n = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        n += 1
    capture.release()
    return n


@pytest.mark.parametrize("name", ["out.mp4", "out.avi", "OUT.MP4"])
def test_every_picture_of_an_even_rate_is_written_once(load: Load, tmp_path: Path, name: str) -> None:
    with load("video").VideoFile(tmp_path / name, 30.0) as video:
        for index in range(40):
            video.show(CANVAS, index / 30.0)
        assert not video.path.exists()

    assert n_pictures(video.path) == 40
    assert [file.name for file in tmp_path.iterdir()] == [video.path.name]


def test_an_uneven_rate_keeps_the_length_in_time(load: Load, tmp_path: Path) -> None:
    with load("video").VideoFile(tmp_path / "out.avi", 10.0) as video:
        for at_s in (0.0, 0.01, 0.02, 0.5, 0.52, 1.0):
            video.show(CANVAS, at_s)

    assert n_pictures(video.path) == 11


def test_a_picture_of_another_size_is_brought_to_the_first_ones(load: Load, tmp_path: Path) -> None:
    with load("video").VideoFile(tmp_path / "out.avi", 10.0) as video:
        video.show(CANVAS, 0.0)
        video.show(np.zeros((240, 200, 3), np.uint8), 0.1)

    assert n_pictures(video.path) == 2


def test_an_error_in_the_middle_leaves_a_whole_video(load: Load, tmp_path: Path) -> None:
    def interrupted() -> None:
        with load("video").VideoFile(tmp_path / "out.mp4", 10.0) as video:
            video.show(CANVAS, 0.0)
            video.show(CANVAS, 0.4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert n_pictures(tmp_path / "out.mp4") == 5


@pytest.mark.parametrize(("name", "reason"), [("out.gif", "mp4 or .avi"), ("nowhere/out.mp4", "no folder")])
def test_a_bad_name_is_refused_before_anything_is_shown(load: Load, tmp_path: Path, name: str, reason: str) -> None:
    module = load("video")

    with pytest.raises(module.VideoError, match=reason):
        module.VideoFile(tmp_path / name, 30.0)


def test_nothing_shown_is_no_file(load: Load, tmp_path: Path) -> None:
    with load("video").VideoFile(tmp_path / "out.mp4", 30.0):
        pass

    assert not list(tmp_path.iterdir())
