"""What a camera does when its source raises, blocks, ends or lies."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import SourceFrame
from hyperflow_runtime.cameras.supervising import pause_s
from hyperflow_runtime.errors import CameraError

Scripted = Callable[..., Any]
BY_READER = CameraOptions(pace="reader")
GONE = CameraError("the cable is out; put it in")


def test_pauses_between_attempts_grow_to_ten_seconds() -> None:
    assert [pause_s(n_failures) for n_failures in (1, 2, 3, 4, 5, 6, 7, 10_000)] == [0.5, 1, 2, 4, 8, 10, 10, 10]


@pytest.mark.usefixtures("quick_retries")
def test_a_lens_that_comes_back_ten_times_gives_frames_ten_times(scripted: Scripted) -> None:
    gates = [threading.Event() for _ in range(11)]
    items = [item for number, gate in enumerate(gates) for item in (number, gate, GONE)]
    source = scripted(*items, is_live=True)
    indices = []
    with Camera(lambda: source, CameraOptions(timeout_s=20)) as camera:
        for gate in gates:
            frame = camera.read(after=indices[-1] if indices else -1)
            indices.append(frame.index)
            assert (camera.status.state, camera.status.last_error) == ("live", None)
            gate.set()
        status = camera.status

    assert indices == list(range(11))
    assert status.n_reconnects == 10
    assert source.n_opened >= 11


@pytest.mark.usefixtures("quick_retries")
def test_while_a_lens_is_gone_its_error_is_told_and_the_last_frame_stays(scripted: Scripted) -> None:
    source = scripted(5, *[GONE] * 100_000, is_live=True)
    with Camera(lambda: source, CameraOptions()) as camera:
        with pytest.raises(CameraError, match=r"gave no new frame within 0\.3 s: the cable is out; put it in"):
            camera.read(after=0, timeout_s=0.3)

        assert camera.status.state == "reconnecting"
        assert camera.status.last_error == "the cable is out; put it in"
        assert camera.newest is not None
        assert camera.status.fps == 0


@pytest.mark.usefixtures("quick_retries")
def test_a_camera_that_is_absent_at_first_is_waited_for(scripted: Scripted) -> None:
    class Late(scripted):  # type: ignore[misc]
        def open(self) -> None:
            super().open()
            if self.n_opened < 4:
                raise CameraError("no such device")

    source = Late(1, threading.Event(), is_live=True)
    with Camera(lambda: source, CameraOptions(timeout_s=0.4)) as camera:
        frame = next(camera.frames())

        assert frame.index == 0
        assert source.n_opened == 4
        assert camera.status.n_reconnects == 0


def test_a_lens_that_is_not_to_be_opened_again_has_failed(scripted: Scripted) -> None:
    with Camera(lambda: scripted(1, GONE, is_live=True), CameraOptions(reconnect=False)) as camera:
        frames = []
        with pytest.raises(CameraError, match="the cable is out; put it in"):
            frames.extend(camera.frames())

        assert camera.status.state == "failed"


def test_a_file_that_fails_is_not_opened_again(scripted: Scripted) -> None:
    source = scripted(1, GONE, 2)
    with Camera(lambda: source, BY_READER) as camera:
        assert camera.read().index == 0
        with pytest.raises(CameraError, match="the cable is out; put it in"):
            camera.read(after=0)

    assert source.n_opened == 1


@pytest.mark.parametrize("failure", [ZeroDivisionError("of a driver"), OSError(5, "Input/output error")])
def test_whatever_a_driver_throws_reaches_the_reader(scripted: Scripted, failure: Exception) -> None:
    with (
        Camera(lambda: scripted(failure), CameraOptions()) as camera,
        pytest.raises(CameraError, match=rf"a scripted source: {type(failure).__name__}: .*{failure.args[-1]}"),
    ):
        camera.read()


def test_a_frame_that_is_no_picture_is_an_error(scripted: Scripted) -> None:
    class Empty(scripted):  # type: ignore[misc]
        def read(self) -> SourceFrame:
            return SourceFrame(None)  # type: ignore[arg-type]

    with Camera(lambda: Empty(), CameraOptions()) as camera, pytest.raises(CameraError, match="an empty frame"):
        camera.read()


@pytest.mark.usefixtures("quick_retries")
def test_a_driver_that_blocks_is_left_behind_and_a_new_source_is_made(scripted: Scripted) -> None:
    gate = threading.Event()
    stuck = scripted(1, gate, 99, is_live=True)
    sources = [stuck, scripted(2, threading.Event(), is_live=True)]
    with Camera(lambda: sources.pop(0), CameraOptions(timeout_s=0.3)) as camera:
        first = camera.read(timeout_s=20)
        second = camera.read(after=first.index, timeout_s=20)
        status = camera.status
        gate.set()  # the driver comes back after all: its frame is not shown, and it is closed
        assert stuck.closed.wait(20)

        assert (first.label, second.label, second.index) == ("1", "2", 1)
        assert (status.n_reconnects, camera.status.n_captured) == (1, 2)
        assert stuck.n_opened == 1


def test_a_file_on_a_disk_that_blocks_fails(scripted: Scripted) -> None:
    gate = threading.Event()
    with Camera(lambda: scripted(gate, 1), CameraOptions(timeout_s=0.2)) as camera:
        with pytest.raises(CameraError, match=r"gave no frame within 0\.2 s and does not answer"):
            camera.read(timeout_s=20)
        assert camera.status.state == "failed"
        gate.set()


@pytest.mark.usefixtures("quick_retries")
def test_drivers_that_block_again_and_again_hold_a_few_threads_only(scripted: Scripted) -> None:
    gate = threading.Event()
    made = []

    class Stuck(scripted):  # type: ignore[misc]
        def open(self) -> None:
            made.append(self)
            assert gate.wait(60)

    with Camera(lambda: Stuck(is_live=True), CameraOptions(timeout_s=0.1)) as camera:
        with pytest.raises(CameraError, match=r"4 attempts are still blocked in its driver.*start this program again"):
            camera.read(timeout_s=3)
        assert len(made) == 4
        assert camera.is_stuck
        gate.set()


def test_closing_does_not_wait_for_a_driver_that_blocks_and_says_so(scripted: Scripted) -> None:
    gate = threading.Event()
    source = scripted(1, gate, 2, is_live=True)
    camera = Camera(lambda: source, CameraOptions(timeout_s=0.5))
    camera.read()
    camera.close()
    error = camera.status.last_error
    gate.set()

    assert error is not None
    assert "a scripted source did not let go within 0.5 s and was left behind" in error


def test_a_source_whose_closing_fails_is_over_all_the_same(scripted: Scripted) -> None:
    class Clinging(scripted):  # type: ignore[misc]
        def close(self) -> None:
            raise OSError("device busy")

    with Camera(lambda: Clinging(1), BY_READER) as camera:
        assert [frame.index for frame in camera.frames()] == [0]


NOT_CLOSED = """
import threading
import numpy as np
from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import SourceFrame

class Endless:
    description, is_live, stage, nominal_fps = "endless", True, None, None
    def open(self): pass
    def read(self): return SourceFrame(np.zeros((4, 4, 3), np.uint8))
    def close(self): print("closed", flush=True)

camera = Camera(Endless, CameraOptions())
print("frame", camera.read().image_bgr.shape)
"""


def test_a_camera_that_nobody_closed_is_closed_when_the_program_ends(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run_python(NOT_CLOSED)

    assert (done.returncode, done.stdout, done.stderr) == (0, "frame (4, 4, 3)\nclosed\n", "")
