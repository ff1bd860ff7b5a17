"""USB cameras, and whatever else Linux shows as a video device."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from hyperflow_runtime.cameras.opencv.holders import processes_that_hold
from hyperflow_runtime.cameras.opencv.library import LIMIT_SHARE, has_support, load_opencv
from hyperflow_runtime.cameras.opencv.reading import LiveReading
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import SourceFrame
from hyperflow_runtime.errors import CameraError

__all__ = ["V4l2Source"]

_VIDEO_MAJOR = 81  # Linux' number for video devices, in its Documentation/admin-guide/devices.txt


class V4l2Source:
    """A lens behind /dev/video*; see `Source`."""

    is_live = True
    stage = None
    nominal_fps = None

    def __init__(self, device: str, options: CameraOptions) -> None:
        """Take note of a camera.

        Args:
            device: "/dev/video0", or a link to it such as those in /dev/v4l/by-id, which stay the same.
            options: Width, height and fps, each asked of the driver, which takes the nearest it has.
        """
        self._device, self._options = device, options
        self._reading = LiveReading(device, self._why_not, silence_s=LIMIT_SHARE * options.timeout_s)

    @property
    def description(self) -> str:
        return self._device

    def open(self) -> None:
        path = self._check()
        if not has_support("v4l/v4l2"):
            raise CameraError(f"{self._device}: this OpenCV is built without V4L2; sudo apt install python3-opencv")
        number = re.fullmatch(r"/dev/video(\d{1,3})", path)
        self._reading.open(int(number[1]) if number else path, "CAP_V4L2")
        self._ask()

    def read(self) -> SourceFrame:
        return SourceFrame(self._reading.read())

    def close(self) -> None:
        self._reading.close()

    def _check(self) -> str:
        path = os.path.realpath(self._device)
        try:
            about = os.stat(path)
        except OSError as error:
            here = ", ".join(sorted(map(str, Path("/dev").glob("video*")))) or "none"
            raise CameraError(
                f"{self._device} is not there ({error.strerror}); video devices here: {here}. "
                "Plug the camera in, or in a container, add --device /dev/video0"
            ) from error
        if not stat.S_ISCHR(about.st_mode) or os.major(about.st_rdev) != _VIDEO_MAJOR:
            raise CameraError(f"{self._device} is no video device; ls /dev/video* shows those, file://PATH is a file")
        if not os.access(path, os.R_OK | os.W_OK):
            raise CameraError(
                f"{self._device} is not to be read by this user: sudo usermod -aG video $USER, then log in again; "
                "in a container, add --group-add video"
            )
        return path

    def _ask(self) -> None:
        cv2, reading = load_opencv(), self._reading
        reading.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*"MJPG"))  # raw pictures over USB 2 come slowly
        width, height = self._size()
        for name, value in (
            (cv2.CAP_PROP_FRAME_WIDTH, width),
            (cv2.CAP_PROP_FRAME_HEIGHT, height),
            (cv2.CAP_PROP_FPS, self._options.fps),
        ):
            if value is not None:
                reading.set(name, value)
        # A driver fills one buffer while the other is read; with one alone, many cameras give every second frame.
        reading.set(cv2.CAP_PROP_BUFFERSIZE, 2)

    def _size(self) -> tuple[int | None, int | None]:
        """Width and height to ask for: OpenCV sets both or none, so one that is left out follows the camera's shape."""
        cv2, width, height = load_opencv(), self._options.width, self._options.height
        own_width = self._reading.get(cv2.CAP_PROP_FRAME_WIDTH)
        own_height = self._reading.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if own_width > 0 and own_height > 0:
            if width is None and height is not None:
                width = round(height * own_width / own_height)
            elif height is None and width is not None:
                height = round(width * own_height / own_width)
        return width, height

    def _why_not(self) -> str:
        holders = processes_that_hold(os.path.realpath(self._device))
        if holders:
            return f"it is in use by {', '.join(holders)}; end that first"
        return (
            "another program may have it (sudo fuser -v " + self._device + "), or it is a device without pictures: "
            "hyperflow-runtime camera lists those of this machine"
        )
