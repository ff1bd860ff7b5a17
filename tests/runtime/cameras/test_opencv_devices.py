"""CSI and USB cameras where there are none: the reason, and the next move. Plus what a machine's list of them says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime.cameras.listing import ListedCamera, list_cameras
from hyperflow_runtime.cameras.opencv.csi import CsiSource
from hyperflow_runtime.cameras.opencv.gstreamer import has_element
from hyperflow_runtime.cameras.opencv.holders import processes_that_hold
from hyperflow_runtime.cameras.opencv.library import has_support, load_opencv
from hyperflow_runtime.cameras.opencv.reading import LiveReading, Reading
from hyperflow_runtime.cameras.opencv.v4l2 import V4l2Source
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.errors import CameraError

pytest.importorskip("cv2")


def test_a_device_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(CameraError, match=r"/dev/video250 is not there \(No such file.*\); video devices here: .*Plug"):
        open_camera("/dev/video250")


@pytest.mark.parametrize("device", ["/dev/null", "/dev/shm"])
def test_what_is_no_video_device_is_not_opened(device: str) -> None:
    with pytest.raises(CameraError, match=f"{device} is no video device"):
        V4l2Source(device, CameraOptions()).open()


def test_a_service_may_start_before_its_camera() -> None:
    with open_camera("/dev/video250", wait=False) as camera:
        with pytest.raises(CameraError, match=r"gave no new frame within 0\.2 s: /dev/video250 is not there"):
            camera.read(timeout_s=0.2)

        assert camera.status.state == "connecting"


def test_a_csi_camera_needs_an_opencv_with_gstreamer_and_a_jetson() -> None:
    source = CsiSource(0, CameraOptions(width=640))
    message = "GStreamer has no nvarguscamerasrc" if has_support("GStreamer") else "pip's is built without"

    with pytest.raises(CameraError, match=rf"csi://0.*{message}.*sudo apt install"):
        source.open()
    source.close()


class _SlowDriver:
    """A capture that waits in each call, as a USB camera's does, gives nothing for a while, and knows its size."""

    def __init__(self, *, waits_s: float, n_empty: int) -> None:
        self.waits_s, self.n_empty, self.n_read = waits_s, n_empty, 0
        self.size, self.asked = {3: 640.0, 4: 480.0}, dict[int, float]()

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        time.sleep(self.waits_s)
        self.n_read += 1
        return (False, None) if self.n_read <= self.n_empty else (True, np.zeros((4, 4, 3), np.uint8))

    def get(self, name: int) -> float:
        return self.size.get(name, 0.0)

    def set(self, name: int, value: float) -> bool:
        self.asked[name] = value
        return True

    def release(self) -> None:
        """Nothing is open."""


def _opened(monkeypatch: pytest.MonkeyPatch, driver: _SlowDriver, **more: float) -> LiveReading:
    reading = LiveReading("/dev/video0", lambda: "no reason", **more)
    monkeypatch.setattr(Reading, "open", lambda *arguments, **options: Reading(driver))
    reading.open(0, "CAP_V4L2")
    return reading


def test_a_camera_may_be_silent_for_as_long_as_its_limit_says(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = _opened(monkeypatch, _SlowDriver(waits_s=0.6, n_empty=2), silence_s=3.0)
    assert slow.read().shape == (4, 4, 3)

    silent = _SlowDriver(waits_s=0.6, n_empty=100)
    with pytest.raises(CameraError, match="opens but gives no pictures: no reason"):
        _opened(monkeypatch, silent, silence_s=1.0).read()
    assert silent.n_read == 2


def test_a_camera_that_fails_at_once_is_gone_after_half_a_second_whatever_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = _opened(monkeypatch, _SlowDriver(waits_s=0.0, n_empty=10**6), silence_s=60.0)
    began_s = time.monotonic()

    with pytest.raises(CameraError, match="gives no pictures"):
        gone.read()
    assert time.monotonic() - began_s < 20


@pytest.mark.parametrize(
    ("width", "height", "asked"),
    [(1280, None, (1280, 960)), (None, 240, (320, 240)), (1280, 720, (1280, 720)), (None, None, (None, None))],
)
def test_a_width_alone_brings_the_height_of_the_same_shape(
    monkeypatch: pytest.MonkeyPatch, width: int | None, height: int | None, asked: tuple[int | None, int | None]
) -> None:
    source, driver = (
        V4l2Source("/dev/video0", CameraOptions(width=width, height=height)),
        _SlowDriver(waits_s=0.0, n_empty=0),
    )
    monkeypatch.setattr(source, "_check", lambda: "/dev/video0")
    monkeypatch.setattr(Reading, "open", lambda *arguments, **options: Reading(driver))

    source.open()

    assert (driver.asked.get(3), driver.asked.get(4)) == asked


def test_one_call_waits_for_a_usb_camera_for_less_than_its_limit() -> None:
    load_opencv()

    assert os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] == "1"


def test_a_descriptor_that_is_closed_meanwhile_hides_no_holder(tmp_path: Path) -> None:
    descriptors = tmp_path / "4321/fd"
    descriptors.mkdir(parents=True)
    (tmp_path / "4321/comm").write_text("browser\n")
    (descriptors / "0").write_text("no link, as one that is gone by now")
    (descriptors / "1").symlink_to("/dev/video0")

    assert processes_that_hold("/dev/video0", tmp_path) == ("browser (4321)",)


def test_a_process_that_holds_a_device_is_named() -> None:
    script = "import sys, time; file = open('/dev/full', 'rb'); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holders = processes_that_hold("/dev/full")
        holder.communicate()

    assert any(name.endswith(f"({holder.pid})") for name in holders)
    assert processes_that_hold("/dev/no-such-device") == ()
    with open("/dev/full", "rb"):
        assert not any(f"({os.getpid()})" in name for name in processes_that_hold("/dev/full"))


def test_cameras_of_a_machine_are_listed_in_order_and_sensors_on_a_csi_port_by_their_number(tmp_path: Path) -> None:
    for number, name, index in ((10, "HD Pro", "1"), (0, "vi-output, imx219 9-0010", "0"), (2, "HD Pro", "0"),
                                (1, "vi-output, imx219 10-0010", "0"), (3, None, "x")):  # fmt: skip
        about = tmp_path / f"sys/class/video4linux/video{number}"
        about.mkdir(parents=True)
        (tmp_path / "dev").mkdir(exist_ok=True)
        (tmp_path / f"dev/video{number}").touch()
        (about / "index").write_text(index)
        if name is not None:
            (about / "name").write_text(name + "\n")
    (tmp_path / "dev/videofoo").touch()

    cameras = list_cameras(tmp_path)

    assert [camera.uri for camera in cameras] == ["csi://0", "csi://1", "/dev/video2", "/dev/video3", "/dev/video10"]
    assert cameras[2] == ListedCamera("/dev/video2", "/dev/video2", "HD Pro", 0, True)
    assert (cameras[3].name, cameras[3].stream, cameras[4].stream) == (None, 0, 1)
    assert list_cameras(tmp_path / "nowhere") == ()


def test_gstreamer_is_asked_again_after_it_gave_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "gst-inspect-1.0"
    tool.write_text("#!/no/such/interpreter\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert not has_element("element-of-this-test")

    tool.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\n")

    assert has_element("element-of-this-test")
    assert has_element("element-of-this-test")
    assert (tmp_path / "asked").read_text() == "asked\n"
