"""Frames of a camera with their times, and a sign of life while the camera is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.captured import CapturedFrame
from hyperflow_runtime.cameras.source import EndOfSource
from hyperflow_runtime.errors import CameraError

__all__ = ["Tick", "ticks", "wait_until_prepared"]

_PATIENCE_S = 0.1  # keys are looked at this often while there is no new frame
_GONE = ("connecting", "reconnecting")


@dataclass(frozen=True)
class Tick:
    """One turn of the main loop.

    Attributes:
        frame: The newest frame.
        at_s: Time since the first frame, seconds.
        is_new: Whether the frame was not there the last time.
        trouble: Why the camera gives no frames just now; None while it does.
    """

    frame: CapturedFrame
    at_s: float
    is_new: bool
    trouble: str | None = None


def ticks(camera: Camera, *, fps: float | None) -> Iterator[Tick]:
    """Yield the newest frame, again and again; the last one again while there is no other.

    Args:
        camera: Opened, with its first frame there.
        fps: Frame n is n / fps seconds after the first; None to go by the clock.

    Raises:
        CameraError: The camera has failed for good.
    """
    frame = camera.read()
    start_s, at_s = frame.captured_s, 0.0
    while True:
        yield Tick(frame, at_s if fps is None else frame.index / fps, is_new=True)
        newer: CapturedFrame | None = None
        while newer is None:
            try:
                newer = camera.read(after=frame.index, timeout_s=_PATIENCE_S)
            except EndOfSource:
                return
            except CameraError:
                status = camera.status
                if status.state in ("failed", "closed"):
                    raise
                at_s = time.monotonic() - start_s
                trouble = status.last_error if status.state in _GONE else None
                yield Tick(frame, at_s if fps is None else frame.index / fps, is_new=False, trouble=trouble)
        frame = newer
        at_s = max(at_s, frame.captured_s - start_s)


def wait_until_prepared(camera: Camera, frame: CapturedFrame) -> None:
    """Wait until the frame after `frame` is captured, where every frame waits for its reader.

    A change of the scene then always begins with the frame after that one, however fast the camera's thread is.
    """
    while camera.status.state == "live" and camera.status.n_captured < frame.index + 2:
        time.sleep(0.001)
