"""CSI and USB cameras where there are none: the reason, and the next move. Plus what a machine's list of them says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyperflow_runtime.cameras.listing import ListedCamera, list_cameras
from hyperflow_runtime.cameras.opencv.csi import CsiSource
from hyperflow_runtime.cameras.opencv.holders import processes_that_hold
from hyperflow_runtime.cameras.opencv.library import has_support
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
