"""Addresses of cameras: every form, every mistake, and no password where people can see it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.rtsp_address import parse_rtsp_address
from hyperflow_runtime.cameras.uri import parse_camera_uri
from hyperflow_runtime.errors import CameraError


@pytest.mark.parametrize(
    ("text", "kind", "target", "settings"),
    [
        ("csi://0", "csi", "0", {}),
        ("csi://15?width=1280&height=720&fps=29.97", "csi", "15", {"width": 1280, "height": 720, "fps": 29.97}),
        ("CSI://1?flip=rotate-180", "csi", "1", {"flip": "rotate-180"}),
        ("/dev/video0", "v4l2", "/dev/video0", {}),
        ("/dev/video2?fps=15", "v4l2", "/dev/video2", {"fps": 15.0}),
        ("/dev/v4l/by-id/usb-046d_C920-video-index0", "v4l2", "/dev/v4l/by-id/usb-046d_C920-video-index0", {}),
        ("v4l2:///dev/video1", "v4l2", "/dev/video1", {}),
        ("v4l2://1", "v4l2", "/dev/video1", {}),
        ("usb://3", "v4l2", "/dev/video3", {}),
        ("0", "v4l2", "/dev/video0", {}),
        ("0?warm_up_frames=0&timeout_s=2.5", "v4l2", "/dev/video0", {"warm_up_frames": 0, "timeout_s": 2.5}),
        ("rtsp://10.0.0.2/live?channel=1&fps=5", "rtsp", "rtsp://10.0.0.2/live?channel=1&fps=5", {}),
        ("rtsps://cam.local:322/x#timeout_s=9", "rtsp", "rtsps://cam.local:322/x", {"timeout_s": 9.0}),
        ("rtsp://[fe80::1]:8554/x", "rtsp", "rtsp://[fe80::1]:8554/x", {}),
        ("file:///abs/my%20video.mp4", "file", "/abs/my video.mp4", {}),
        ("file://relative.mp4?loop=true&pace=reader", "file", "relative.mp4", {"loop": True, "pace": "reader"}),
        ("dir://images?fps=2&loop=1", "folder", "images", {"fps": 2.0, "loop": True}),
        ("synthetic://", "synthetic", "", {}),
        ("synthetic://desk?fps=30", "synthetic", "desk", {"fps": 30.0}),
        ("recorded:///tmp/recording?loop=yes", "recorded", "/tmp/recording", {"loop": True}),
    ],
)
def test_an_address_is_understood(text: str, kind: str, target: str, settings: dict[str, object]) -> None:
    uri = parse_camera_uri(text)

    assert (uri.kind, uri.target, dict(uri.settings), dict(uri.own)) == (kind, target, settings, {})


def test_a_path_is_a_file_or_a_folder_as_it_lies_there(tmp_path: Path) -> None:
    (tmp_path / "a?b.mp4").write_bytes(b"x")

    assert parse_camera_uri(str(tmp_path)).kind == "folder"
    assert parse_camera_uri(f"file://{tmp_path}").kind == "folder"
    assert parse_camera_uri(f"{tmp_path}/a?b.mp4").target == f"{tmp_path}/a?b.mp4"
    assert parse_camera_uri(f"{tmp_path}?fps=3").settings == {"fps": 3.0}


def test_a_stream_takes_its_options_behind_the_hash_and_a_scene_has_options_of_its_own() -> None:
    stream = parse_camera_uri("rtsp://cam/x?width=9#latency_ms=0&transport=udp&codec=h265&flip=vertical")
    scene = parse_camera_uri("synthetic://?width=320&seed=7")

    assert stream.own == {"latency_ms": 0, "transport": "udp", "codec": "h265"}
    assert stream.settings == {"flip": "vertical"}
    assert scene.own == {"seed": "7"}
    assert scene.settings == {"width": 320}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be text"),
        ("  ", "must be text"),
        ("cis://0", "did you mean csi?"),
        ("rtps://admin:geheim@cam/x", "did you mean rtsps?"),
        ("http://cam/x.mjpg", "no camera is addressed as 'http://cam/x.mjpg'"),
        ("csi://0?widht=640", "csi:// has no option 'widht'; did you mean width?; it has width, height, fps"),
        ("csi://0?width=640&width=320", "option width of csi:// comes twice"),
        ("csi://0?width=6.5", "option width must be a whole number, got '6.5'"),
        ("csi://0?fps=many", "option fps must be a number, got 'many'"),
        ("csi://0?fps=nan", "option fps must be a number"),
        ("file://a.mp4?loop=perhaps", "option loop must be true or false, got 'perhaps'"),
        ("csi://0?flip=rotate-18", "did you mean rotate-180?"),
        ("csi://16", "csi://0 .. csi://15, got '16'"),
        ("csi://0 ! filesink location=x", "got '0 ! filesink location=x'"),
        ("csi://\u0663", "named by its sensor number"),
        ("/dev/../etc/passwd", "named by its device"),
        ("v4l2://usb camera", "named by its device"),
        ("file://", "a path must follow"),
        ("file://a%0Ab.mp4", "a path must follow"),
        ("recorded://?loop=true", "a path must follow"),
        ("no-such-video.mp4", "is no file or folder here"),
        ("x" * 300, "is no file or folder here"),
        ("csi://0\n", "a line break or another control character"),
        ("rtsp://cam/x\x00", "a line break or another control character"),
        ("x" * 3000, "at most 2048 characters, got 3000"),
        ("rtsp://", "the host is not understood"),
        ("rtsp://cam:99999/x", "port of an RTSP camera must be 1..65535, got 99999"),
        ("rtsp://cam:0/x", "port of an RTSP camera must be 1..65535, got 0"),
        ("rtsp://admin:geheim/geheim@cam/x", "write @ as %40"),
        ("rtsp://admin:12/geheim@cam/x", "write @ as %40"),
        ("rtsp://admin:a@b#geheim@cam/x", "write @ as %40"),
        ("rtsp://cam/x#width=3", "has no option 'width'"),
        ("synthetic://../x", "a rendered scene has a name"),
        ("synthetic://?SEED=1", "has no option 'SEED'"),
    ],
)
def test_a_mistake_is_told_with_the_next_move(text: str, message: str) -> None:
    with pytest.raises(CameraError) as caught:
        parse_camera_uri(text)

    assert message in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("number", [3, None, b"csi://0"])
def test_only_text_is_an_address(number: object) -> None:
    with pytest.raises(CameraError, match="must be text"):
        parse_camera_uri(number)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://admin:geheim@cam/x",
        "rtsp://admin:p@geheim@cam/x",
        "rtsp://cam/user=admin&password=geheim&channel=1",
        "rtsp://cam/user=admin_password=geheim_channel=1_stream=0.sdp",
        "rtsp://cam/x?token=geheim",
        "rtsp://cam/x?a=1&pwd=geheim#codec=h264",
    ],
)
def test_a_password_is_never_shown(text: str) -> None:
    uri = parse_camera_uri(text)

    assert "geheim" in uri.target
    assert "geheim" not in uri.description
    assert "geheim" not in repr(uri)
    assert "geheim" not in repr(parse_rtsp_address(uri.target))


def test_what_a_uri_may_not_hold_is_percent_encoded() -> None:
    address = parse_rtsp_address('rtsp://me:a"b\\c %é@cam/x y"z')

    assert address.address == "rtsp://me:a%22b%5Cc%20%25%C3%A9@cam/x%20y%22z"
    assert parse_rtsp_address(address.address) == address
    assert (address.host, address.port, address.has_credentials) == ("cam", 554, True)
    assert parse_rtsp_address("rtsps://[::1]/x").host == "::1"


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_camera_error(text: str) -> None:
    for scheme in (
        "",
        "csi://",
        "v4l2://",
        "/dev/",
        "rtsp://",
        "rtsp://cam/",
        "rtsp://u:p@",
        "file://",
        "synthetic://",
    ):
        try:
            uri = parse_camera_uri(scheme + text)
        except CameraError:
            continue
        assert uri.description.isprintable()
        if uri.kind == "rtsp":
            assert uri.target.isascii()
            assert not set(uri.target) & set('"\\ <>^`{|}\n\t')


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1, max_size=30))
def test_no_part_of_a_password_is_in_the_description_or_the_error(secret: str) -> None:
    secret = f"geheim{secret}geheim"
    for text in (f"rtsp://admin:{secret}@cam/x", f"rtps://{secret}@cam/x", f"http://a:{secret}@cam/x#width=3"):
        try:
            shown = repr(parse_camera_uri(text))
        except CameraError as error:
            shown = str(error)
        assert "geheim" not in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 15}, "width must be 16..8192 px, got 15"),
        ({"height": 10_000}, "height must be"),
        ({"width": 640.0}, "width must be"),
        ({"fps": 0}, "fps must be above 0"),
        ({"fps": float("nan")}, "fps must be above 0"),
        ({"flip": "left"}, "flip must be one of"),
        ({"warm_up_frames": -1}, "warm_up_frames must be 0..300"),
        ({"timeout_s": 0}, "timeout_s must be 0.1..120"),
        ({"pace": "fast"}, "pace must be clock or reader"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(CameraError, match=message):
        CameraOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["admin:geheim@cam/stream", "rtsp:/admin:geheim@cam/s", "rtsp:admin:geheim@cam/s", "csi://admin:geheim@cam/s",
     "v4l2://admin:geheim@cam/s", "rtsp//admin:geheim@cam/s", "http://admin:geheim@cam/s"],
)  # fmt: skip
def test_a_mistyped_address_of_a_stream_shows_no_password(text: str) -> None:
    with pytest.raises(CameraError) as caught:
        parse_camera_uri(text)

    assert "geheim" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_path_that_this_user_may_not_see_is_an_error_of_ours(tmp_path: Path, form: str) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o000)

    with pytest.raises(CameraError), open_camera(form.format(hidden / "a.mp4")):
        pass


def test_a_name_that_no_file_can_have_is_an_error_of_ours() -> None:
    with pytest.raises(CameraError, match="cannot be read: File name too long"), open_camera("file://" + "x" * 300):
        pass
