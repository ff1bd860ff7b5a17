"""From an address to a running camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import EndOfSource, Source
from hyperflow_runtime.cameras.uri import CameraUri, parse_camera_uri
from hyperflow_runtime.errors import CameraError

__all__ = ["open_camera"]

_WARM_UP_FRAMES = 10


def open_camera(uri: str, options: CameraOptions | None = None, *, wait: bool = True) -> Camera:
    """Open a camera, a stream, a file, a folder, a rendered scene or a recording.

    Example:
        ```python
        from hyperflow_runtime.cameras.opening import open_camera

        with open_camera("synthetic://?fps=30") as camera:
            frame = camera.read()
            print(frame.image_bgr.shape, frame.label)
            frame = camera.read(after=frame.index)
        ```

    Args:
        uri: "csi://0", "/dev/video0", "rtsp://host/path", "file://video.mp4", "dir://images", "synthetic://",
            "recorded://folder", or the path of a video or a folder; with options, "csi://0?width=1280&height=720".
        options: How to read it. What the address says wins.
        wait: Wait for the first frame, and raise when the first attempt to open the camera fails. Without, return at
            once and keep trying, for services that start before their camera does.

    Returns:
        The camera, running: use it as a context manager, or `close` it.

    Raises:
        CameraError: The address is wrong, or, with `wait`, the camera is absent, busy, refuses, or gives no frames.
    """
    parsed = parse_camera_uri(uri)
    settings: Any = dict(parsed.settings)
    chosen = replace(options or CameraOptions(), **settings)
    if chosen.warm_up_frames is None:
        chosen = replace(chosen, warm_up_frames=_WARM_UP_FRAMES if parsed.kind in ("csi", "v4l2") else 0)
    # A CSI camera's pictures are turned by the board's own converter, on their way.
    camera = Camera(_maker(parsed, chosen), replace(chosen, flip="none") if parsed.kind == "csi" else chosen)
    if wait:
        _wait_for_first(camera, parsed)
    return camera


def _wait_for_first(camera: Camera, parsed: CameraUri) -> None:
    try:
        camera.wait_for_first()
    except EndOfSource as error:
        camera.close()
        raise CameraError(f"{parsed.description} holds no pictures") from error
    except BaseException:
        camera.close()
        raise


def _maker(uri: CameraUri, options: CameraOptions) -> Callable[[], Source]:
    """Return what makes the source. Each kind is imported when it is first used."""
    own: Any = dict(uri.own)
    if uri.kind == "csi":
        from hyperflow_runtime.cameras.opencv.csi import CsiSource

        return lambda: CsiSource(int(uri.target), options)
    if uri.kind == "v4l2":
        from hyperflow_runtime.cameras.opencv.v4l2 import V4l2Source

        return lambda: V4l2Source(uri.target, options)
    if uri.kind == "rtsp":
        from hyperflow_runtime.cameras.opencv.rtsp import RtspSource

        return lambda: RtspSource(uri.target, timeout_s=options.timeout_s, **own)
    if uri.kind == "file":
        from hyperflow_runtime.cameras.opencv.file import FileSource

        return lambda: FileSource(Path(uri.target), fps=options.fps, loop=options.loop)
    if uri.kind == "folder":
        from hyperflow_runtime.cameras.folder import FolderSource

        return lambda: FolderSource(Path(uri.target), fps=options.fps, loop=options.loop)
    if uri.kind == "recorded":
        from hyperflow_runtime.cameras.recorded import RecordedSource

        return lambda: RecordedSource(Path(uri.target), loop=options.loop)
    from hyperflow_runtime.cameras.synthetic.source import SyntheticSource

    return lambda: SyntheticSource(uri.target, fps=options.fps, width=options.width, height=options.height, options=own)
