"""The one module that imports OpenCV."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from types import ModuleType
from typing import Literal

from hyperflow_runtime.errors import CameraError

__all__ = ["LIMIT_SHARE", "ffmpeg_limits", "gstreamer_limits", "has_support", "load_opencv"]

_GSTREAMER_LIMITS_SINCE = (4, 7)
LIMIT_SHARE = 0.7
"""Of a limit of ours, so that a library comes back, and the reason is found, before its thread is given up."""


@lru_cache(maxsize=1)
def load_opencv() -> ModuleType:
    """Import OpenCV when it is first needed, and quieten it: every failure comes back as an error of ours.

    OPENCV_LOG_LEVEL, OPENCV_FFMPEG_LOGLEVEL and OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT, where they are set, decide instead.

    Raises:
        CameraError: It is not installed, or does not load.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # libav's "quiet"; it is read when FFmpeg is first used
    # Seconds that one call waits for a USB camera. Its own 10 are longer than the limit of most cameras, which we keep.
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
    try:
        import cv2
    except ImportError as error:
        raise CameraError(
            f"OpenCV does not load ({error}); pip install opencv-python, "
            "or on a Jetson: sudo apt install python3-opencv"
        ) from error
    module: ModuleType = cv2
    if "OPENCV_LOG_LEVEL" not in os.environ:
        _quieten(module)
    return module


def _quieten(cv2: ModuleType) -> None:
    """Call what sets the level of OpenCV's log, which has moved between versions; 0 is silent."""
    in_five = getattr(getattr(cv2, "utils", None), "logging", None)
    if in_five is not None:
        in_five.setLogLevel(in_five.LOG_LEVEL_SILENT)
    elif hasattr(cv2, "setLogLevel"):
        cv2.setLogLevel(0)


@lru_cache
def has_support(library: Literal["FFMPEG", "GStreamer", "v4l/v4l2"]) -> bool:
    """Tell whether this OpenCV was built with a library.

    Raises:
        CameraError: OpenCV does not load.
    """
    return re.search(rf"^\s*{library}:\s*YES", load_opencv().getBuildInformation(), re.MULTILINE) is not None


def ffmpeg_limits(timeout_s: float) -> tuple[int, ...]:
    """Return parameters for opening through FFmpeg that let neither opening nor reading block for longer.

    Raises:
        CameraError: OpenCV does not load.
    """
    cv2, limit_ms = load_opencv(), int(timeout_s * LIMIT_SHARE * 1000)
    if not hasattr(cv2, "CAP_PROP_READ_TIMEOUT_MSEC"):  # before 4.5.4: 30 s, and the watchdog is quicker
        return ()
    return cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit_ms


def gstreamer_limits(timeout_s: float) -> tuple[int, ...]:
    """Return the same for GStreamer; empty for OpenCV before 4.7, which has none (opencv/opencv#22868).

    Raises:
        CameraError: OpenCV does not load.
    """
    major, minor = (int(number) for number in load_opencv().__version__.split(".")[:2])
    return ffmpeg_limits(timeout_s) if (major, minor) >= _GSTREAMER_LIMITS_SINCE else ()
