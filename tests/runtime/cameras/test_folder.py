"""A folder of pictures as a camera."""

from __future__ import annotations

from pathlib import Path

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


@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_names_can_be_ordered(names: list[str]) -> None:
    assert sorted(sorted(names, key=natural_order), key=natural_order) == sorted(names, key=natural_order)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_numbers_in_names_are_compared_as_numbers(first: int, second: int) -> None:
    assert (natural_order(f"a{first}.png") < natural_order(f"a{second}.png")) == (first < second)
