"""What a camera gives: frames, and how it is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["CameraState", "CameraStatus", "CapturedFrame"]

CameraState = Literal["connecting", "live", "reconnecting", "ended", "failed", "closed"]
"""`ended`: a file is over; `failed`: gone for good, or `reconnect` is off; `closed`: by `Camera.close`."""


@dataclass(frozen=True, eq=False)
class CapturedFrame:
    """One frame.

    Attributes:
        image_bgr: Pixels, uint8 (H, W, 3); shared by all readers, so it is read-only.
        index: Number of the frame since the camera was opened, warm-up frames not counted; always growing.
        captured_s: `time.monotonic()` when the frame had arrived.
        label: What is to be seen, where the source knows: a rendered scene, a recording, a folder of class folders.
            An empty string for "nothing known"; None where the source does not tell.
    """

    image_bgr: NDArray[np.uint8]
    index: int
    captured_s: float
    label: str | None = None


@dataclass(frozen=True)
class CameraStatus:
    """How a camera is doing.

    Attributes:
        state: See `CameraState`.
        description: Of the source, for people: "/dev/video0", "rtsp://camera.local/stream" (never a password).
        width: Of the frames as given out, in pixels; 0 before the first.
        height: Likewise.
        fps: Frames a second that arrived, over the last seconds; 0 before the second frame.
        n_captured: Frames that arrived, warm-up not counted.
        n_dropped: Of these, those that no reader took before a newer one came.
        n_reconnects: Times the source was opened again.
        last_error: What went wrong last, and the next move; None when nothing did since the source is live.
    """

    state: CameraState
    description: str
    width: int
    height: int
    fps: float
    n_captured: int
    n_dropped: int
    n_reconnects: int
    last_error: str | None
