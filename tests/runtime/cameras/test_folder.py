"""A folder of pictures as a camera."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hyperflow_runtime import HyperflowRuntimeError
from hyperflow_runtime.cameras.folder import FolderSource, natural_order
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import EndOfSource


def write(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((24, 32, 3), value, np.uint8)).save(path)


def opened(folder: Path, *, loop: bool = False) -> FolderSource:
    source = FolderSource(folder, fps=None, loop=loop)
    source.open()
    return source


def everything(source: FolderSource) -> list[tuple[int, str | None]]:
    seen = []
    try:
        while True:
            frame = source.read()
            seen.append((int(frame.image_bgr[0, 0, 0]), frame.label))
    except EndOfSource:
        return seen


def test_pictures_come_in_the_order_in_which_people_count(tmp_path: Path) -> None:
    for number in (10, 2, 1, 9):
        write(tmp_path / f"shot-{number}.png", number)
    (tmp_path / "notes.txt").write_text("not a picture")

    assert everything(opened(tmp_path)) == [(1, None), (2, None), (9, None), (10, None)]


def test_class_folders_give_their_names_as_labels(tmp_path: Path) -> None:
    write(tmp_path / "loose.png", 1)
    write(tmp_path / "mug/a.png", 2)
    write(tmp_path / "key/a.png", 3)

    assert everything(opened(tmp_path)) == [(1, None), (3, "key"), (2, "mug")]


def test_a_torn_picture_is_left_out_and_a_folder_of_them_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "good.png", 7)
    (tmp_path / "torn.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
    assert everything(opened(tmp_path)) == [(7, None)]

    (tmp_path / "good.png").unlink()
    for loop in (False, True):
        with pytest.raises(HyperflowRuntimeError, match=r"torn\.png cannot be read as an image"):
            opened(tmp_path, loop=loop).read()


def test_a_loop_starts_again(tmp_path: Path) -> None:
    write(tmp_path / "a.png", 1)
    write(tmp_path / "b.png", 2)
    source = opened(tmp_path, loop=True)

    assert [int(source.read().image_bgr[0, 0, 0]) for _ in range(5)] == [1, 2, 1, 2, 1]


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "outside/secret.png", 9)
    write(tmp_path / "folder/a.png", 1)
    (tmp_path / "folder/link.png").symlink_to(tmp_path / "outside/secret.png")
    (tmp_path / "folder/class").symlink_to(tmp_path / "outside")

    assert everything(opened(tmp_path / "folder")) == [(1, None)]


def test_what_only_looks_like_a_picture_stops_nothing(tmp_path: Path) -> None:
    write(tmp_path / "b.png", 2)
    write(tmp_path / ".hidden.png", 9)
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "c.png").mkdir()
    os.mkfifo(tmp_path / "d.png")

    assert everything(opened(tmp_path)) == [(2, None)]


def test_a_link_inside_the_folder_is_a_picture_like_any_other(tmp_path: Path) -> None:
    write(tmp_path / "a.png", 1)
    (tmp_path / "b.png").symlink_to("a.png")

    assert everything(opened(tmp_path)) == [(1, None), (1, None)]


def test_pictures_of_different_sizes_and_kinds_come_as_they_are(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 40), 5, np.uint8)).save(tmp_path / "1.png")
    Image.fromarray(np.full((30, 10, 4), 6, np.uint8)).save(tmp_path / "2.png")
    source = opened(tmp_path)

    assert [source.read().image_bgr.shape for _ in range(2)] == [(20, 40, 3), (30, 10, 3)]


def test_a_picture_that_went_after_opening_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.png", 1)
    write(tmp_path / "b.png", 2)
    source = opened(tmp_path)
    (tmp_path / "a.png").unlink()

    assert everything(source) == [(2, None)]


def test_a_folder_of_too_many_files_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png", "key/a.png", "key/b.png"):
        write(tmp_path / name, 1)
    for most in (1, 3):
        monkeypatch.setattr("hyperflow_runtime.cameras.folder._MOST_FILES", most)
        with pytest.raises(HyperflowRuntimeError, match=f"more than {most} files; name a smaller folder"):
            opened(tmp_path)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("x")])
def test_no_folder_and_no_pictures_are_told(tmp_path: Path, make: object) -> None:
    make(tmp_path / "pictures")

    with pytest.raises(HyperflowRuntimeError, match="pictures"):
        opened(tmp_path / "pictures")


def test_a_camera_plays_a_folder_frame_by_frame(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / f"{number}.png", number)

    with open_camera(f"dir://{tmp_path}", CameraOptions(pace="reader")) as camera:
        values = [int(frame.image_bgr[0, 0, 0]) for frame in camera.frames()]

    assert values == [0, 1, 2, 3]


@given(st.lists(st.text(max_size=12), max_size=8), st.randoms())
def test_the_order_of_any_names_does_not_depend_on_how_they_were_found(names: list[str], random: Random) -> None:
    found = random.sample(names, len(names))

    assert sorted(found, key=natural_order) == sorted(names, key=natural_order)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_numbers_in_names_are_compared_as_numbers(first: int, second: int) -> None:
    assert (natural_order(f"a{first}.png") < natural_order(f"a{second}.png")) == (first < second)
