"""Cameras on a Jetson's CSI port."""

from __future__ import annotations

from pathlib import Path

from hyperflow_runtime.cameras.opencv.gstreamer import csi_pipeline, has_element
from hyperflow_runtime.cameras.opencv.library import gstreamer_limits, has_support
from hyperflow_runtime.cameras.opencv.reading import LiveReading
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import SourceFrame
from hyperflow_runtime.errors import CameraError

__all__ = ["CsiSource"]

_SERVICE_SOCKET = Path("/tmp/argus_socket")


class CsiSource:
    """A lens behind NVIDIA's camera service; flips by itself. See `Source`."""

    is_live = True
    stage = None
    nominal_fps = None

    def __init__(self, sensor: int, options: CameraOptions) -> None:
        """Take note of a camera.

        Args:
            sensor: Its number, 0..15.
            options: Width, height, fps (1280, 720 and 30 where they are None), flip and `timeout_s`.
        """
        self._sensor = sensor
        self._pipeline = csi_pipeline(
            sensor,
            width=options.width or 1280,
            height=options.height or 720,
            fps=options.fps or 30.0,
            flip=options.flip,
        )
        self._timeout_s = options.timeout_s
        self._reading = LiveReading(self.description, self._why_not)

    @property
    def description(self) -> str:
        return f"csi://{self._sensor}"

    def open(self) -> None:
        if not has_support("GStreamer"):
            raise CameraError(
                f"{self.description}: CSI cameras need an OpenCV with GStreamer, and pip's is built without: "
                "pip uninstall opencv-python opencv-python-headless, sudo apt install python3-opencv; "
                "hyperflow-runtime doctor tells which one is found"
            )
        if not has_element("nvarguscamerasrc"):
            raise CameraError(
                f"{self.description}: GStreamer has no nvarguscamerasrc, which every Jetson has "
                "(sudo apt install nvidia-l4t-gstreamer); a container needs --runtime nvidia"
            )
        self._reading.open(self._pipeline, "CAP_GSTREAMER", gstreamer_limits(self._timeout_s))

    def read(self) -> SourceFrame:
        return SourceFrame(self._reading.read())

    def close(self) -> None:
        self._reading.close()

    def _why_not(self) -> str:
        if not _SERVICE_SOCKET.exists():
            return (
                f"the camera service is not there: sudo systemctl restart nvargus-daemon, or in a container, "
                f"add -v {_SERVICE_SOCKET}:{_SERVICE_SOCKET}"
            )
        return (
            "is the ribbon cable in, and the sensor set up in sudo /opt/nvidia/jetson-io/jetson-io.py? "
            "If it worked before: sudo systemctl restart nvargus-daemon"
        )
