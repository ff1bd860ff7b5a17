"""How a camera is to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hyperflow_runtime.errors import CameraError

__all__ = ["CameraOptions", "Flip", "Pace"]

Flip = Literal["none", "horizontal", "vertical", "rotate-90", "rotate-180", "rotate-270"]
"""As one looks at the picture: mirrored left to right, upside down, or turned clockwise."""

Pace = Literal["clock", "reader"]
"""`clock`: a file plays at its own rate and slow readers miss frames; `reader`: every frame waits for its reader."""

_FLIPS = ("none", "horizontal", "vertical", "rotate-90", "rotate-180", "rotate-270")


@dataclass(frozen=True)
class CameraOptions:
    """How a camera is to be read. What a camera cannot do is rounded to what it can.

    Attributes:
        width: Of the frames as captured, in pixels, 16..8192; None for the camera's own.
        height: Likewise.
        fps: Frames a second asked of the camera, or at which a folder is played, above 0 and at most 240.
        flip: See `Flip`.
        loop: Start files, folders and recordings again at their end.
        warm_up_frames: Frames dropped after each start, while exposure settles, 0..300; None for 10 of a lens and 0 of
            anything else.
        timeout_s: How long opening, or waiting for one frame, may take before the camera counts as gone, 0.1..120.
        reconnect: Try again, with growing pauses, when a lens or a stream is gone.
        pace: See `Pace`; a lens and a stream always run by the clock.
    """

    width: int | None = None
    height: int | None = None
    fps: float | None = None
    flip: Flip = "none"
    loop: bool = False
    warm_up_frames: int | None = None
    timeout_s: float = 5.0
    reconnect: bool = True
    pace: Pace = "clock"

    def __post_init__(self) -> None:
        """Check every range.

        Raises:
            CameraError: A value is out of its range.
        """
        for name in ("width", "height"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and 16 <= value <= 8192):
                raise CameraError(f"{name} must be 16..8192 px, got {value!r:.80}")
        if self.fps is not None and not 0 < self.fps <= 240:
            raise CameraError(f"fps must be above 0 and at most 240, got {self.fps!r:.80}")
        if self.flip not in _FLIPS:
            raise CameraError(f"flip must be one of {', '.join(_FLIPS)}, got {self.flip!r:.80}")
        if self.warm_up_frames is not None and not 0 <= self.warm_up_frames <= 300:
            raise CameraError(f"warm_up_frames must be 0..300, got {self.warm_up_frames!r:.80}")
        if not 0.1 <= self.timeout_s <= 120:
            raise CameraError(f"timeout_s must be 0.1..120, got {self.timeout_s!r:.80}")
        if self.pace not in ("clock", "reader"):
            raise CameraError(f"pace must be clock or reader, got {self.pace!r:.80}")
