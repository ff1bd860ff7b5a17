"""`hyperflow-runtime camera`."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hyperflow_runtime.cameras.camera import Camera
    from hyperflow_runtime.cameras.captured import CameraStatus, CapturedFrame
    from hyperflow_runtime.cameras.options import Flip
    from hyperflow_runtime.cameras.recording import Recorder

__all__ = ["command"]

_FLIPS = ("none", "horizontal", "vertical", "rotate-90", "rotate-180", "rotate-270")
_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}


def _picture_path(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix.lower() not in _FORMATS:
        raise click.BadParameter(f"expected a name that ends in {', '.join(_FORMATS)}, got {str(value)!r:.120}")
    return value


@click.command("camera", short_help="Try a camera, or list those of this machine.")
@click.argument("uri", required=False)
@click.option("--width", type=click.IntRange(16, 8192), help="Of the frames, in pixels; the camera's own by default.")
@click.option("--height", type=click.IntRange(16, 8192), help="Likewise.")
@click.option("--fps", type=click.FloatRange(0, 240, min_open=True), help="Frames a second to ask for.")
@click.option("--flip", type=click.Choice(_FLIPS), default="none", show_default=True, help="How to turn the frames.")
@click.option("--seconds", type=click.FloatRange(0, 86_400), default=5.0, show_default=True, help="How long to read.")
@click.option("--snapshot", type=click.Path(dir_okay=False, path_type=Path), callback=_picture_path,
              help="File for the newest frame, .jpg or .png.")  # fmt: skip
@click.option("--record", type=click.Path(file_okay=False, path_type=Path),
              help="New folder for every frame, up to 2 GiB, which recorded://FOLDER replays.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
def command(
    uri: str | None, width: int | None, height: int | None, fps: float | None, flip: Flip, seconds: float,
    snapshot: Path | None, record: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Read the camera at URI for a while, and tell how it does; without URI, list this machine's cameras.

    Exits with 0 when frames came to the end, else with 1 and the reason.

    \b
    Example:
      hyperflow-runtime camera
      hyperflow-runtime camera csi://0 --width 1280 --height 720 --fps 30
      hyperflow-runtime camera /dev/video0 --seconds 10 --snapshot desk.jpg
      hyperflow-runtime camera rtsp://192.168.1.20/stream --json
      hyperflow-runtime camera /dev/video0 --record monday --seconds 30
    """
    if uri is None:
        _list(as_json)
        return
    from hyperflow_runtime.cameras.opening import open_camera
    from hyperflow_runtime.cameras.options import CameraOptions

    options = CameraOptions(width=width, height=height, fps=fps, flip=flip)
    started_s = time.monotonic()
    with open_camera(uri, options) as camera, _recorder(record) as recorder:
        first = camera.read()
        first_frame_ms = (first.captured_s - started_s) * 1000
        newest, status = _read(camera, first, seconds, recorder, quiet=as_json)
    if snapshot is not None:
        _save(newest, snapshot)
    recorded = None if recorder is None else (recorder.n_frames, str(record))
    _tell(status, first_frame_ms, snapshot, recorded, as_json=as_json)
    if status.state not in ("live", "ended"):
        raise click.ClickException(status.last_error or f"{status.description} is gone")


def _recorder(folder: Path | None) -> AbstractContextManager[Recorder | None]:
    if folder is None:
        return nullcontext()
    from hyperflow_runtime.cameras.recording import Recorder

    return Recorder(folder)


def _read(
    camera: Camera, newest: CapturedFrame, seconds: float, recorder: Recorder | None, *, quiet: bool
) -> tuple[CapturedFrame, CameraStatus]:
    """Read until the time is over or the camera gives no more; its status from while it was still open."""
    from rich.console import Console

    from hyperflow_runtime.cameras.source import EndOfSource
    from hyperflow_runtime.errors import CameraError

    end_s = time.monotonic() + seconds
    with nullcontext() if quiet else Console(stderr=True).status("reading") as line:
        while _recorded(newest, recorder) and (left_s := end_s - time.monotonic()) > 0:
            try:
                newest = camera.read(after=newest.index, timeout_s=left_s)
            except EndOfSource:
                break
            except CameraError:  # the status tells whether it is gone, or only slow
                break
            if line is not None:
                line.update(_how_it_does(camera.status))
    return newest, camera.status


def _recorded(frame: CapturedFrame, recorder: Recorder | None) -> bool:
    """Write the frame where there is a recording; False when that is full, which ends it early."""
    if recorder is None or recorder.write(frame):
        return True
    click.echo(f"the recording is full after {recorder.n_frames} frames; start another one for more", err=True)
    return False


def _how_it_does(status: CameraStatus) -> str:
    counts = f"{status.n_captured} frames, {status.n_dropped} dropped, {status.n_reconnects} reconnects"
    return f"{status.state}: {status.width} x {status.height} px, {status.fps:.1f} fps, {counts}"


def _tell(
    status: CameraStatus, first_frame_ms: float, snapshot: Path | None, recorded: tuple[int, str] | None, *,
    as_json: bool,
) -> None:  # fmt: skip
    import msgspec

    if as_json:
        told = {
            **msgspec.to_builtins(status),
            "first_frame_ms": round(first_frame_ms, 1),
            "snapshot": None if snapshot is None else str(snapshot),
            "n_recorded": 0 if recorded is None else recorded[0],
        }
        click.echo(msgspec.json.encode(told).decode())
        return
    click.echo(f"{status.description}\n{_how_it_does(status)}, the first after {first_frame_ms:.0f} ms")
    if snapshot is not None:
        click.echo(f"newest frame in {snapshot}")
    if recorded is not None:
        click.echo(f"{recorded[0]} frames in {recorded[1]}, to be replayed as recorded://{recorded[1]}")


def _save(frame: CapturedFrame, path: Path) -> None:
    from PIL import Image

    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        partial = Path(file.name)
        try:
            Image.fromarray(frame.image_bgr[:, :, ::-1]).save(file, format=_FORMATS[path.suffix.lower()], quality=92)
            file.close()
            partial.chmod(0o644)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def _list(as_json: bool) -> None:
    import msgspec

    from hyperflow_runtime.cameras.listing import list_cameras

    cameras = list_cameras()
    if as_json:
        click.echo(msgspec.json.encode(cameras).decode())
        return
    for camera in cameras:
        notes = [] if camera.stream == 0 else [f"stream number {camera.stream}, often without pictures"]
        notes += [] if camera.may_be_read else ["not to be read by this user: sudo usermod -aG video $USER"]
        click.echo("  ".join([f"{camera.uri:<14}", camera.name or "of an unknown name", *(f"({n})" for n in notes)]))
    if not cameras:
        click.echo("no camera here; without one: synthetic://, file://video.mp4, dir://images, rtsp://host/path")
