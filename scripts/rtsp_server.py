#!/usr/bin/python3
"""Serves a test pattern, or a video file, as an RTSP camera would; for tests, and for trying things without a camera.

Needs Debian's Python with python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good and -ugly (x264):

    /usr/bin/python3 scripts/rtsp_server.py --port 8554
    hyperflow-runtime camera rtsp://127.0.0.1:8554/stream
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

_ENCODERS = {
    "x264enc": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15",
    "openh264enc": "openh264enc gop-size=15",
}


def main() -> None:
    """Serve until interrupted; prints "ready" and the address when the first client may come."""
    options = _parsed()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(options.port))
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(_pipeline(options))
    factory.set_shared(True)
    server.get_mount_points().add_factory("/stream", factory)
    if options.user:
        _protect(server, factory, options.user, options.password)
    if server.attach(None) == 0:
        sys.exit(f"port {options.port} is taken; --port 0 takes a free one")
    print(f"ready rtsp://127.0.0.1:{server.get_bound_port()}/stream", flush=True)
    GLib.MainLoop().run()


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a test pattern or a video as RTSP on this machine.")
    parser.add_argument("--port", type=int, default=8554, help="0 for a free one, which is printed")
    parser.add_argument("--file", type=Path, help="video to serve in place of the test pattern")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--user", default="", help="ask clients for this user, and --password")
    parser.add_argument("--password", default="")
    return parser.parse_args()


def _pipeline(options: argparse.Namespace) -> str:
    encoder = next((text for name, text in _ENCODERS.items() if Gst.ElementFactory.find(name)), None)
    if encoder is None:
        sys.exit("GStreamer has no H.264 encoder; sudo apt install gstreamer1.0-plugins-ugly")
    if options.file is None:
        size = f"width={options.width},height={options.height},framerate={options.fps}/1"
        source = f"videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,{size}"
    else:
        source = f'uridecodebin uri="{options.file.resolve(strict=True).as_uri()}" ! videoconvert'
    return f"( {source} ! {encoder} ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )"


def _protect(server: Any, factory: Any, user: str, password: str) -> None:
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    role = "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    factory.add_role_from_structure(Gst.Structure.new_from_string(role))


if __name__ == "__main__":
    main()
