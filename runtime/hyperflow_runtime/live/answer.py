"""What a live classifier tells: an answer for a frame, and how it is doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hyperflow_runtime.cameras.captured import CapturedFrame
from hyperflow_runtime.live.smoothing import SmoothedAnswer
from hyperflow_runtime.results import Prediction

__all__ = ["LiveAnswer", "LiveStatus"]


@dataclass(frozen=True, eq=False)
class LiveAnswer:
    """Answer for one captured frame.

    Attributes:
        frame: The frame.
        prediction: Of this frame alone; None while the session is not adapted, or when it failed.
        direct: The answer without adapting, where it was asked for.
        smoothed: Of the stream; None where there is no prediction, or no smoother.
        direct_smoothed: Of the stream of `direct`, likewise.
        timings_ms: Milliseconds of `capture_age` (arrival of the frame to the start of work), `preprocess`, `encode`,
            `head`, and `total` (arrival to answer).
        answered_s: `time.monotonic()` of the answer.
        error: Why there is no prediction, other than that the session is not adapted.
    """

    frame: CapturedFrame
    prediction: Prediction | None
    direct: Prediction | None
    smoothed: SmoothedAnswer | None
    direct_smoothed: SmoothedAnswer | None
    timings_ms: Mapping[str, float]
    answered_s: float
    error: str | None


@dataclass(frozen=True)
class LiveStatus:
    """How a live classifier is doing.

    Attributes:
        fps: Answers a second, over the last seconds.
        n_answered: Frames answered.
        n_skipped: Frames captured since the first answer that were not answered.
        last_error: Why the last frame has no prediction; None when it has one, or the session is not adapted.
        has_ended: Whether the camera's file is over.
    """

    fps: float
    n_answered: int
    n_skipped: int
    last_error: str | None
    has_ended: bool
