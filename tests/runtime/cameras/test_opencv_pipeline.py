"""Pipelines are programs to GStreamer: nothing that comes from outside may become a part of one."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperflow_runtime.cameras.opencv.gstreamer import csi_pipeline, file_pipeline, rtsp_pipeline
from hyperflow_runtime.cameras.opencv.pipeline import Caps, Element, Word, pipeline_text
from hyperflow_runtime.cameras.uri import parse_camera_uri
from hyperflow_runtime.errors import CameraError


def rtsp(address: str, *, codec: str | None = None, on_board: bool = False) -> str:
    return rtsp_pipeline(
        address, latency_ms=100, transport="tcp", codec=codec, timeout_s=5.0, on_board=on_board  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_csi_camera_comes_through_the_image_processor_as_bgr() -> None:
    assert csi_pipeline(1, width=1280, height=720, fps=29.97, flip="rotate-90") == (
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=1280,height=720,framerate=2997/100,format=NV12 "
        "! nvvidconv flip-method=3 ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR "
        "! appsink drop=true max-buffers=1 sync=false"
    )


def test_a_stream_is_decoded_by_what_is_there() -> None:
    any_codec, on_board = rtsp("rtsp://cam/x"), rtsp("rtsp://cam/x", codec="h264", on_board=True)

    assert any_codec == (
        'rtspsrc location="rtsp://cam/x" latency=100 protocols=tcp drop-on-latency=true tcp-timeout=5000000 '
        "timeout=5000000 ! application/x-rtp,media=video ! decodebin ! videoconvert ! video/x-raw,format=BGR "
        "! appsink drop=true max-buffers=1 sync=false"
    )
    assert "! rtph264depay ! h264parse ! nvv4l2decoder ! nvvidconv ! video/x-raw,format=BGRx ! videoconvert" in on_board
    assert "! rtph265depay ! h265parse ! avdec_h265 ! videoconvert" in rtsp("rtsp://cam/x", codec="h265")


def test_a_file_gives_every_frame() -> None:
    assert file_pipeline("file:///a%20b.mp4", on_board=False) == (
        'uridecodebin uri="file:///a%20b.mp4" ! videoconvert ! video/x-raw,format=BGR '
        "! appsink max-buffers=2 sync=false"
    )
    assert "! nvvidconv ! video/x-raw,format=BGRx ! videoconvert" in file_pipeline("file:///a.mp4", on_board=True)


def outside_quotes(pipeline: str) -> str:
    """A pipeline with every quoted value left out; fails when quotes do not pair or a value spans an escape."""
    pieces = pipeline.split('"')
    assert len(pieces) % 2 == 1
    assert "\\" not in pipeline
    return "".join(pieces[::2])


@given(st.text())
def test_no_text_in_a_value_adds_an_element(text: str) -> None:
    try:
        pipeline = pipeline_text(Element("filesrc", {"location": text}), Element("fakesink"))
    except CameraError:
        return

    assert outside_quotes(pipeline) == "filesrc location= ! fakesink"


@given(st.text(max_size=80))
def test_no_text_in_an_address_adds_an_element(text: str) -> None:
    try:
        address = parse_camera_uri(f"rtsp://cam/{text}")
        secret = parse_camera_uri(f"rtsp://me:{text}@cam/x")
    except CameraError:
        return

    for uri in (address, secret):
        assert outside_quotes(rtsp(uri.target)) == outside_quotes(rtsp("rtsp://cam/x"))


@pytest.mark.parametrize("text", ['a" ! fakesrc name="b', "a\\", 'a\\" ! fakesrc', "a\nb", "a\0b", "a\u2028b"])
def test_what_could_end_a_value_is_refused(text: str) -> None:
    with pytest.raises(CameraError, match="a value for GStreamer must be without"):
        pipeline_text(Element("filesrc", {"location": text}))


@pytest.mark.parametrize(
    "part",
    [
        Element("fake sink"), Element("fakesink !"), Element(""), Element("x", {"a b": 1}), Element("x", {"a=1 b": 1}),
        Element("x", {"a": Word("b c")}), Element("x", {"a": Word("b,c")}), Element("x", {"a": Word("")}),
        Caps("video/x-raw ! fakesink"), Caps("video"), Caps("video/x-raw", {"a": Word("b c")}),
        Element("x", {"a": 1.5}), Element("x", {"a": None}),  # type: ignore[dict-item]
    ],
)  # fmt: skip
def test_a_part_that_is_more_than_one_part_is_refused(part: Element | Caps) -> None:
    with pytest.raises(CameraError):
        pipeline_text(part)


def test_values_are_written_as_gstreamer_reads_them() -> None:
    element = Element("x", {"a": True, "b": False, "c": -3, "d": Fraction(30, 1), "e": Word("BGR"), "f": "a ! b"})

    assert str(element) == 'x a=true b=false c=-3 d=30/1 e=BGR f="a ! b"'
