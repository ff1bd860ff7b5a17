"""What a camera gives its readers: newest frames, once each, in order, not to be written to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.options import CameraOptions, Flip
from hyperflow_runtime.cameras.pixels import prepared
from hyperflow_runtime.cameras.source import EndOfSource
from hyperflow_runtime.errors import CameraError

Scripted = Callable[..., Any]
BY_READER = CameraOptions(pace="reader")


def test_every_frame_waits_for_its_reader_where_it_is_asked_to(scripted: Scripted) -> None:
    source = scripted(*range(20))
    with Camera(lambda: source, BY_READER) as camera:
        frames = list(camera.frames())
        status = camera.status

    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.label for frame in frames] == [str(number) for number in range(20)]
    assert [int(frame.image_bgr[0, 0, 0]) for frame in frames] == list(range(20))
    assert (status.state, status.n_captured, status.n_dropped) == ("ended", 20, 0)
    assert (status.width, status.height, status.description) == (32, 24, "a scripted source")
    assert source.n_closed == 1


def test_one_thread_opens_reads_and_closes(scripted: Scripted) -> None:
    source = scripted(1)
    with Camera(lambda: source, BY_READER) as camera:
        camera.read()

    assert source.threads == {"camera a scripted source"}


def test_a_slow_reader_gets_the_newest_frame_and_the_others_are_counted(scripted: Scripted) -> None:
    with Camera(lambda: scripted(*range(50), threading.Event()), CameraOptions(timeout_s=0.2)) as camera:
        with pytest.raises(CameraError):
            camera.read(after=49)
        frame = camera.read()

        assert frame.index == 49
        assert camera.status.n_dropped == 49
        assert camera.newest is frame


def test_the_last_frame_can_be_read_after_the_end_and_then_comes_the_end(scripted: Scripted) -> None:
    with Camera(lambda: scripted(*range(5)), CameraOptions()) as camera:
        list(camera.frames())

        assert camera.read().index == 4
        with pytest.raises(EndOfSource, match="a scripted source is over"):
            camera.read(after=4)


def test_many_readers_get_every_frame_they_wait_for_in_order(scripted: Scripted) -> None:
    gate = threading.Event()
    seen: dict[int, list[int]] = {number: [] for number in range(8)}

    def follow(camera: Camera, number: int) -> None:
        seen[number] += [frame.index for frame in camera.frames()]

    with Camera(lambda: scripted(gate, *range(200)), CameraOptions()) as camera:
        readers = [threading.Thread(target=follow, args=(camera, number)) for number in seen]
        for reader in readers:
            reader.start()
        gate.set()
        for reader in readers:
            reader.join(30)

    for indices in seen.values():
        assert indices[-1] == 199
        assert indices == sorted(set(indices))


def test_frames_are_read_only_and_leave_the_source_its_own(scripted: Scripted) -> None:
    with Camera(lambda: scripted(7), CameraOptions()) as camera:
        frame = camera.read()

    with pytest.raises(ValueError, match="read-only"):
        frame.image_bgr[0, 0, 0] = 1
    own = np.zeros((4, 4, 3), np.uint8)
    prepared(own, "none")
    own[0] = 1


def test_frames_for_warming_up_are_dropped_and_not_counted(scripted: Scripted) -> None:
    options = CameraOptions(warm_up_frames=3, pace="reader")
    with Camera(lambda: scripted(*range(5)), options) as camera:
        frames = list(camera.frames())

    assert [(frame.index, frame.label) for frame in frames] == [(0, "3"), (1, "4")]


def test_a_file_is_not_played_faster_than_it_was_taken(scripted: Scripted) -> None:
    started_s = time.monotonic()
    with Camera(lambda: scripted(*range(31), fps=100.0), CameraOptions()) as camera:
        *_, last = camera.frames()

    assert last.index == 30
    assert last.captured_s - started_s > 0.29


@pytest.mark.parametrize(
    ("flip", "corner"),
    [
        ("none", (0, 0)), ("horizontal", (0, -1)), ("vertical", (-1, 0)), ("rotate-90", (0, -1)),
        ("rotate-180", (-1, -1)), ("rotate-270", (-1, 0)),
    ],
)  # fmt: skip
def test_a_flip_moves_the_top_left_corner_where_it_says(flip: Flip, corner: tuple[int, int]) -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    image[0, 0] = (1, 2, 3)

    turned = prepared(image, flip)

    assert tuple(turned[corner]) == (1, 2, 3)
    assert int((turned != 0).any(-1).sum()) == 1
    assert turned.shape == ((6, 4, 3) if flip in ("rotate-90", "rotate-270") else (4, 6, 3))
    assert turned.flags.c_contiguous
    assert not turned.flags.writeable


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 4)])
def test_grey_pictures_and_such_with_alpha_become_bgr(shape: tuple[int, ...]) -> None:
    assert prepared(np.full(shape, 9, np.uint8), "none").tolist() == np.full((4, 6, 3), 9).tolist()


@pytest.mark.parametrize(
    "image", [None, np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 2), np.uint8), "x"]
)
def test_what_is_no_picture_is_refused(image: object) -> None:
    with pytest.raises(CameraError, match="the camera gave"):
        prepared(image, "none")


def test_before_the_first_frame_there_is_none(scripted: Scripted) -> None:
    gate = threading.Event()
    with Camera(lambda: scripted(gate, 1), CameraOptions(timeout_s=20)) as camera:
        assert camera.newest is None
        assert camera.status.state == "connecting"
        assert (camera.status.width, camera.status.fps) == (0, 0.0)
        with pytest.raises(CameraError, match=r"a scripted source gave no new frame within 0\.05 s"):
            camera.read(timeout_s=0.05)
        gate.set()
        assert camera.read().index == 0


def test_a_closed_camera_says_so_and_its_readers_are_let_go(scripted: Scripted) -> None:
    gate, waiting = threading.Event(), threading.Event()
    told: list[str] = []

    def wait_for_frame(camera: Camera) -> None:
        waiting.set()
        try:
            camera.read(timeout_s=30)
        except CameraError as error:
            told.append(str(error))

    camera = Camera(lambda: scripted(gate, 1), CameraOptions(timeout_s=0.3))
    reader = threading.Thread(target=wait_for_frame, args=(camera,))
    reader.start()
    waiting.wait(10)
    camera.close()
    reader.join(10)
    gate.set()

    assert told == ["a scripted source: the camera was closed; open it again"]
    assert list(camera.frames()) == []
    with pytest.raises(CameraError, match="was closed"):
        camera.read()
    camera.close()
    assert camera.status.state == "closed"


def test_closing_lets_go_of_a_file_that_waits_for_its_reader(scripted: Scripted) -> None:
    source = scripted(*range(9))
    camera = Camera(lambda: source, BY_READER)
    camera.wait_for_first()
    camera.close()

    assert source.n_closed == 1
    assert camera.status.last_error is None
