"""Streams from a real RTSP server: opened, lost, found again, refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.captured import CapturedFrame
from hyperflow_runtime.cameras.opencv.library import has_support
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.errors import CameraError

pytest.importorskip("cv2")
pytestmark = pytest.mark.rtsp
Serve = Callable[..., Any]
PATIENT = CameraOptions(timeout_s=10)
PASSWORD = 'p@s/s"w %x\\'
IN_ADDRESS = 'p%40s%2Fs"w %x\\'


def wait_for_state(camera: Camera, state: str, *, after: CapturedFrame) -> CapturedFrame:
    """Read on until the camera is in a state; returns the frame that was read last."""
    for _ in range(3000):
        if camera.status.state == state:
            return after
        try:
            after = camera.read(after=after.index, timeout_s=0.05)
        except CameraError:
            continue
    pytest.fail(f"never {state}: {camera.status}")


def test_a_stream_gives_frames_of_its_size_at_its_rate(serve: Serve) -> None:
    server = serve("--width", "160", "--height", "120", "--fps", "10")
    with open_camera(server.address, PATIENT) as camera:
        frame = camera.read()
        for _ in range(5):
            frame = camera.read(after=frame.index)

        assert frame.image_bgr.shape == (120, 160, 3)
        assert 0 < frame.image_bgr.mean() < 255
        assert (camera.status.state, camera.status.description) == ("live", server.address)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_retries")
def test_a_stream_that_is_lost_is_found_again_and_its_indices_grow(serve: Serve) -> None:
    server = serve()
    with open_camera(server.address, CameraOptions(timeout_s=3)) as camera:
        frame = camera.read()
        for n_losses in (1, 2):
            server.kill()
            frame = wait_for_state(camera, "reconnecting", after=frame)
            assert camera.status.last_error is not None
            server = serve(port=server.port)
            before = wait_for_state(camera, "live", after=frame)
            frame = camera.read(after=before.index, timeout_s=20)

            assert frame.index > before.index
            assert camera.status.n_reconnects == n_losses
            assert camera.status.last_error is None


@pytest.mark.usefixtures("quick_retries")
def test_a_service_may_start_before_its_stream(serve: Serve) -> None:
    first = serve()
    first.kill()
    with open_camera(first.address, CameraOptions(timeout_s=5), wait=False) as camera:
        with pytest.raises(CameraError, match="refuses connections"):
            camera.read(timeout_s=0.5)
        serve(port=first.port)

        assert next(camera.frames()).image_bgr.shape == (240, 320, 3)
        assert (camera.status.state, camera.status.n_reconnects) == ("live", 0)


def test_a_stream_with_a_password_of_all_sorts_of_characters_opens(serve: Serve) -> None:
    server = serve("--user", "me", "--password", PASSWORD)
    with open_camera(server.address.replace("//", f"//me:{IN_ADDRESS}@"), PATIENT) as camera:
        assert camera.read().image_bgr.shape == (240, 320, 3)
        assert camera.status.description == server.address


@pytest.mark.parametrize(
    ("credentials", "path", "message"),
    [
        ("", "stream", "asks for a user and a password: rtsp://user:password@127.0.0.1"),
        ("me:wrong@", "stream", "refuses this user and password"),
    ],
)
def test_a_refusal_is_told_without_the_password(serve: Serve, credentials: str, path: str, message: str) -> None:
    server = serve("--user", "me", "--password", "right")
    with pytest.raises(CameraError, match=message) as caught:
        open_camera(f"rtsp://{credentials}127.0.0.1:{server.port}/{path}")

    assert "wrong" not in str(caught.value)


def test_a_path_that_the_server_does_not_know_is_told(serve: Serve) -> None:
    with pytest.raises(CameraError, match="has no such path; the camera's manual names it"):
        open_camera(serve().address + "x")


def test_udp_needs_gstreamer(serve: Serve) -> None:
    address = serve().address + "#transport=udp"
    if has_support("GStreamer"):
        with open_camera(address, PATIENT) as camera:
            assert camera.read().image_bgr.shape == (240, 320, 3)
    else:
        with pytest.raises(CameraError, match="transport=udp needs an OpenCV with GStreamer"):
            open_camera(address)


def test_a_file_is_served_as_a_stream(serve: Serve, video: Any) -> None:
    with open_camera(serve("--file", str(video)).address, PATIENT) as camera:
        assert camera.read().image_bgr.shape == (48, 64, 3)
