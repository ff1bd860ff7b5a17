"""RTSP streams: through GStreamer where OpenCV has it and can leave it again, else through FFmpeg."""

from __future__ import annotations

from typing import Literal

from hyperflow_runtime.cameras.opencv.gstreamer import decodes_on_board, rtsp_pipeline
from hyperflow_runtime.cameras.opencv.library import ffmpeg_limits, gstreamer_limits, has_support
from hyperflow_runtime.cameras.opencv.reading import LiveReading
from hyperflow_runtime.cameras.rtsp_address import parse_rtsp_address
from hyperflow_runtime.cameras.rtsp_asking import why_not
from hyperflow_runtime.cameras.source import SourceFrame
from hyperflow_runtime.errors import CameraError

__all__ = ["RtspSource"]


class RtspSource:
    """A stream; see `Source`."""

    is_live = True
    stage = None
    nominal_fps = None

    def __init__(
        self, address: str, *, timeout_s: float, latency_ms: int | None = None,
        transport: Literal["tcp", "udp"] | None = None, codec: Literal["h264", "h265"] | None = None,
    ) -> None:  # fmt: skip
        """Take note of a stream.

        Args:
            address: "rtsp://user:password@host:554/path"; the user's name and password are never shown.
            timeout_s: After how long a silent connection counts as lost.
            latency_ms: How long packets may wait for late ones before them, 0..10000; None for 100. GStreamer only.
            transport: "udp" loses pictures where "tcp" delays them; None for "tcp". "udp" with GStreamer only.
            codec: None to find out; naming it saves a moment at the start. GStreamer only.

        Raises:
            CameraError: The address is wrong, or a value is out of its range.
        """
        if latency_ms is not None and not 0 <= latency_ms <= 10_000:
            raise CameraError(f"latency_ms must be 0..10000, got {latency_ms}")
        self._address = parse_rtsp_address(address)
        self._timeout_s, self._latency_ms, self._transport, self._codec = timeout_s, latency_ms, transport, codec
        self._reading = LiveReading(self.description, self._why_not)

    @property
    def description(self) -> str:
        return self._address.description

    def open(self) -> None:
        if self._by_gstreamer():
            self._reading.open(self._pipeline(), "CAP_GSTREAMER", gstreamer_limits(self._timeout_s))
        elif not has_support("FFMPEG"):
            raise CameraError(f"{self.description}: this OpenCV has neither GStreamer nor FFmpeg; it reads no streams")
        elif self._transport == "udp":
            # OpenCV hands FFmpeg's options over in one environment variable for the whole process.
            raise CameraError(
                f"{self.description}: transport=udp needs an OpenCV with GStreamer, and pip's is built without: "
                "sudo apt install python3-opencv, or use tcp"
            )
        else:
            self._reading.open(self._address.address, "CAP_FFMPEG", ffmpeg_limits(self._timeout_s))

    def _by_gstreamer(self) -> bool:
        """Choose GStreamer where it can be left again, where there is nothing else, or where its options are asked for.

        Without limits, OpenCV waits for ever on a server that agrees to everything and then sends nothing, as cameras
        do that are just starting.
        """
        if not has_support("GStreamer"):
            return False
        is_asked_for = self._transport == "udp" or self._latency_ms is not None or self._codec is not None
        return is_asked_for or bool(gstreamer_limits(self._timeout_s)) or not has_support("FFMPEG")

    def _pipeline(self) -> str:
        return rtsp_pipeline(
            self._address.address,
            latency_ms=100 if self._latency_ms is None else self._latency_ms,
            transport=self._transport or "tcp",
            codec=self._codec,
            timeout_s=self._timeout_s / 2,
            on_board=decodes_on_board(),
        )

    def read(self) -> SourceFrame:
        return SourceFrame(self._reading.read())

    def close(self) -> None:
        self._reading.close()

    def _why_not(self) -> str:
        return why_not(self._address, timeout_s=self._timeout_s / 8)
