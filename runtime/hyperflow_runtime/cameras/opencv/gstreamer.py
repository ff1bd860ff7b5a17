"""Which elements this machine's GStreamer has, and the pipelines of cameras made of them."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from hyperflow_runtime.cameras.opencv.pipeline import NEWEST_ONLY, Caps, Element, Word, pipeline_text
from hyperflow_runtime.cameras.options import Flip

__all__ = ["csi_pipeline", "decodes_on_board", "file_pipeline", "has_element", "rtsp_pipeline"]

_BGR = (Element("videoconvert"), Caps("video/x-raw", {"format": Word("BGR")}))
_FROM_BOARD_MEMORY = (Caps("video/x-raw", {"format": Word("BGRx")}), *_BGR)
_FLIP_METHODS: dict[Flip, int] = {
    "none": 0, "rotate-90": 3, "rotate-180": 2, "rotate-270": 1, "horizontal": 4, "vertical": 6,
}  # fmt: skip
_TIMEOUT_S = 20


def has_element(name: str) -> bool:
    """Tell whether GStreamer has an element; False too where gst-inspect-1.0 is not installed, or does not answer now.

    GStreamer builds its list of plugins in the first such call after an installation, which may take seconds.
    """
    tool = shutil.which("gst-inspect-1.0")
    try:
        return tool is not None and _knows(tool, name)
    except (OSError, subprocess.TimeoutExpired):
        return False


@lru_cache
def _knows(tool: str, name: str) -> bool:
    """Ask gst-inspect-1.0 once for each element; when it fails, the next call asks again."""
    done = subprocess.run([tool, "--exists", name], capture_output=True, timeout=_TIMEOUT_S, check=False)
    return done.returncode == 0


def decodes_on_board() -> bool:
    """Tell whether GStreamer has a Jetson's own decoder, and what brings its pictures into common memory."""
    return has_element("nvv4l2decoder") and has_element("nvvidconv")


def csi_pipeline(sensor: int, *, width: int, height: int, fps: float, flip: Flip) -> str:
    """Return the pipeline of a camera on a Jetson's CSI port: through NVIDIA's image processor, as BGR.

    Args:
        sensor: Number of the sensor, 0..15.
        width: In pixels; the image processor scales to it.
        height: Likewise.
        fps: Frames a second.
        flip: Done by the converter, without cost.
    """
    in_board_memory = Caps(
        "video/x-raw(memory:NVMM)",
        {"width": width, "height": height, "framerate": Fraction(fps).limit_denominator(1001), "format": Word("NV12")},
    )
    source = Element("nvarguscamerasrc", {"sensor-id": sensor})
    converter = Element("nvvidconv", {"flip-method": _FLIP_METHODS[flip]})
    return pipeline_text(source, in_board_memory, converter, *_FROM_BOARD_MEMORY, NEWEST_ONLY)


def rtsp_pipeline(
    address: str, *, latency_ms: int, transport: Literal["tcp", "udp"], codec: Literal["h264", "h265"] | None,
    timeout_s: float, on_board: bool,
) -> str:  # fmt: skip
    """Return the pipeline of a stream, as BGR.

    Args:
        address: With nothing in it that a URI may not hold.
        latency_ms: How long packets may wait for late ones before them.
        transport: How packets come.
        codec: None to let GStreamer find out.
        timeout_s: After how long a silent connection counts as lost.
        on_board: Decode with a Jetson's own decoder.
    """
    source = Element("rtspsrc", {
        "location": address, "latency": latency_ms, "protocols": Word(transport),
        "drop-on-latency": True, "tcp-timeout": int(timeout_s * 1e6), "timeout": int(timeout_s * 1e6),
    })  # fmt: skip
    video = Caps("application/x-rtp", {"media": Word("video")})
    if codec is None:
        decoders: tuple[Element, ...] = (Element("decodebin"),)
    else:
        decoder = "nvv4l2decoder" if on_board else f"avdec_{codec}"
        decoders = (Element(f"rtp{codec}depay"), Element(f"{codec}parse"), Element(decoder))
    return pipeline_text(source, video, *decoders, *_pixels(on_board), NEWEST_ONLY)


def file_pipeline(uri: str, *, on_board: bool) -> str:
    """Return the pipeline of a video file, every frame of it, as BGR.

    Args:
        uri: "file:///...", percent-encoded.
        on_board: Whether a Jetson's own decoder may be chosen, whose pictures lie in the board's own memory.
    """
    every_frame = Element("appsink", {"max-buffers": 2, "sync": False})
    return pipeline_text(Element("uridecodebin", {"uri": uri}), *_pixels(on_board), every_frame)


def _pixels(on_board: bool) -> tuple[Element | Caps, ...]:
    return (Element("nvvidconv"), *_FROM_BOARD_MEMORY) if on_board else _BGR
