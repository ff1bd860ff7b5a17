"""Cameras that the kernel shows."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from hyperflow_runtime.board.reading import read_text

__all__ = ["ListedCamera", "list_cameras"]

_CSI_NAME = re.compile(r"vi-output, (.+)")
"""What NVIDIA's driver calls a sensor on a CSI port; its device gives raw Bayer pictures, of no use to us."""


@dataclass(frozen=True)
class ListedCamera:
    """A camera of this machine.

    Attributes:
        uri: What `open_camera` takes.
        device: "/dev/video0".
        name: As its driver says; None where it says nothing.
        stream: 0 for a device's pictures; its further streams are often metadata.
        may_be_read: Whether this user may open the device.
    """

    uri: str
    device: str
    name: str | None
    stream: int
    may_be_read: bool


def list_cameras(root: Path = Path("/")) -> tuple[ListedCamera, ...]:
    """Return this machine's cameras, without opening any.

    Args:
        root: Top of the file system to look in.
    """
    nodes = sorted((_number(node), node) for node in (root / "dev").glob("video*") if _number(node) >= 0)
    found: list[ListedCamera] = []
    for _, node in nodes:
        about = root / "sys/class/video4linux" / node.name
        name = read_text(about / "name", max_bytes=200)
        order = read_text(about / "index", max_bytes=20) or "0"
        device = f"/dev/{node.name}"
        is_csi = _CSI_NAME.fullmatch(name or "") is not None
        uri = f"csi://{sum(camera.uri.startswith('csi') for camera in found)}" if is_csi else device
        stream = int(order) if order.isdecimal() else 0
        found.append(ListedCamera(uri, device, name, stream, os.access(node, os.R_OK | os.W_OK, effective_ids=True)))
    return tuple(found)


def _number(node: Path) -> int:
    digits = re.fullmatch(r"video(\d{1,4})", node.name)
    return int(digits[1]) if digits else -1
