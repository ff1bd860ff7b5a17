"""Cameras that the kernel shows, and whether this user may read them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from hyperflow_runtime.board.reading import read_text
from hyperflow_runtime.doctor.finding import Finding

__all__ = ["examine_cameras"]


def examine_cameras(*, is_jetson: bool, root: Path = Path("/")) -> tuple[Finding, ...]:
    """Judge the cameras.

    Args:
        is_jetson: Whether CSI cameras are to be expected, which come through NVIDIA's camera service.
        root: Top of the file system to look in.
    """
    nodes = sorted((root / "dev").glob("video*"), key=_number)
    found: list[Finding] = [_camera(node, root) for node in nodes if _number(node) >= 0]
    if not found:
        advice = "plug one in; in a container, add --device /dev/video0. Image folders and files work without"
        found.append(Finding("cameras", "none", "note", advice))
    return *found, *(_camera_service(root) if is_jetson else ())


def _number(node: Path) -> int:
    digits = re.fullmatch(r"video(\d{1,4})", node.name)
    return int(digits[1]) if digits else -1


def _camera(node: Path, root: Path) -> Finding:
    about = root / "sys/class/video4linux" / node.name
    name = read_text(about / "name", max_bytes=200) or "of an unknown name"
    order = read_text(about / "index", max_bytes=20)
    value = f"/dev/{node.name}: {name}"
    if order not in (None, "0"):
        value += f" (its stream number {order}, often without pictures)"
    if os.access(node, os.R_OK | os.W_OK, effective_ids=True):
        return Finding("camera", value)
    advice = "sudo usermod -aG video $USER, then log in again; in a container, add --group-add video"
    return Finding("camera", f"{value}, not to be read by this user", "problem", advice)


def _camera_service(root: Path) -> Iterator[Finding]:
    if (root / "tmp/argus_socket").exists():
        yield Finding("CSI camera service", "/tmp/argus_socket is there")
    else:
        advice = "sudo systemctl restart nvargus-daemon; in a container, add -v /tmp/argus_socket:/tmp/argus_socket"
        yield Finding("CSI camera service", "no /tmp/argus_socket, so no CSI cameras", "note", advice)
