"""The way through GStreamer, with an OpenCV that has it: test patterns, files, streams, and no CSI camera."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperflow_runtime.cameras.opencv.gstreamer import file_pipeline, has_element
from hyperflow_runtime.cameras.opencv.library import has_support
from hyperflow_runtime.cameras.opencv.pipeline import NEWEST_ONLY, Caps, Element, Word, pipeline_text
from hyperflow_runtime.cameras.opencv.reading import LiveReading, Reading
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.errors import CameraError

pytest.importorskip("cv2")
pytestmark = [
    pytest.mark.gstreamer,
    pytest.mark.skipif(not has_support("GStreamer"), reason="this OpenCV is built without GStreamer, as pip's is"),
]

BGR = (Element("videoconvert"), Caps("video/x-raw", {"format": Word("BGR")}))


def test_a_pattern_comes_through_the_parts_that_cameras_are_made_of() -> None:
    size = Caps("video/x-raw", {"width": 96, "height": 64})
    pipeline = pipeline_text(Element("videotestsrc", {"pattern": Word("red")}), size, *BGR, NEWEST_ONLY)
    reading = LiveReading("a pattern", lambda: "because")
    reading.open(pipeline, "CAP_GSTREAMER")
    image = reading.read()
    reading.close()

    assert image.shape == (64, 96, 3)
    assert image.mean((0, 1)).tolist() == [0, 0, 255]


def test_a_pattern_that_stops_is_gone() -> None:
    pipeline = pipeline_text(Element("videotestsrc", {"num-buffers": 2}), *BGR, Element("appsink", {"sync": False}))
    reading = LiveReading("a pattern", lambda: "because")
    reading.open(pipeline, "CAP_GSTREAMER")
    reading.read()
    reading.read()

    with pytest.raises(CameraError, match="a pattern gives no more pictures"):
        reading.read()
    reading.close()
    with pytest.raises(CameraError, match="a pattern is not open"):
        reading.read()


def test_a_pipeline_with_an_element_that_is_not_there_does_not_open() -> None:
    with pytest.raises(CameraError, match="a pattern does not open: because"):
        LiveReading("a pattern", lambda: "because").open("nosuchelement ! appsink", "CAP_GSTREAMER")


def test_a_file_gives_every_frame_through_gstreamer(video: Path) -> None:
    path = video.with_name("a b'c!d.avi")
    shutil.copy(video, path)
    reading = Reading.open(file_pipeline(path.as_uri(), on_board=False), "CAP_GSTREAMER")
    assert reading is not None
    brightness = []
    while (image := reading.read()) is not None:
        brightness.append(round(float(image.mean()) / 8))
    reading.close()

    assert brightness == list(range(30))


def test_elements_are_known_by_their_names() -> None:
    assert has_element("videotestsrc")
    assert not has_element("nosuchelement")
    assert not has_element("--version; true")


@pytest.mark.skipif(has_support("GStreamer") and has_element("nvarguscamerasrc"), reason="this is a Jetson")
def test_a_csi_camera_off_a_jetson_says_what_is_missing() -> None:
    with pytest.raises(CameraError, match=r"GStreamer has no nvarguscamerasrc.*a container needs --runtime nvidia"):
        open_camera("csi://0?width=640&height=480")


@pytest.mark.rtsp
@pytest.mark.parametrize("options", ["#codec=h264&latency_ms=0", "#transport=udp&latency_ms=200", "#flip=rotate-90"])
def test_a_stream_comes_as_it_is_asked_for(serve: Callable[..., Any], options: str) -> None:
    with open_camera(serve().address + options, CameraOptions(timeout_s=10)) as camera:
        shape = camera.read().image_bgr.shape

    assert shape == ((320, 240, 3) if "flip" in options else (240, 320, 3))
