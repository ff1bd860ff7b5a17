"""Cameras that the kernel shows, and whether this user may read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hyperflow_runtime.cameras.listing import ListedCamera, list_cameras
from hyperflow_runtime.doctor.finding import Finding

__all__ = ["examine_cameras"]


def examine_cameras(*, is_jetson: bool, root: Path = Path("/")) -> tuple[Finding, ...]:
    """Judge the cameras.

    Args:
        is_jetson: Whether CSI cameras are to be expected, which come through NVIDIA's camera service.
        root: Top of the file system to look in.
    """
    found: list[Finding] = [_camera(camera) for camera in list_cameras(root)]
    if not found:
        advice = "plug one in; in a container, add --device /dev/video0. Image folders and files work without"
        found.append(Finding("cameras", "none", "note", advice))
    return *found, *(_camera_service(root) if is_jetson else ())


def _camera(camera: ListedCamera) -> Finding:
    value = f"{camera.device}: {camera.name or 'of an unknown name'}"
    if camera.stream != 0:
        value += f" (its stream number {camera.stream}, often without pictures)"
    if camera.may_be_read:
        return Finding("camera", value)
    advice = "sudo usermod -aG video $USER, then log in again; in a container, add --group-add video"
    return Finding("camera", f"{value}, not to be read by this user", "problem", advice)


def _camera_service(root: Path) -> Iterator[Finding]:
    if (root / "tmp/argus_socket").exists():
        yield Finding("CSI camera service", "/tmp/argus_socket is there")
    else:
        advice = "sudo systemctl restart nvargus-daemon; in a container, add -v /tmp/argus_socket:/tmp/argus_socket"
        yield Finding("CSI camera service", "no /tmp/argus_socket, so no CSI cameras", "note", advice)
