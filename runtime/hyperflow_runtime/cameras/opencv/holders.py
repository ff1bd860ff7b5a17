"""Which processes hold a device open."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["processes_that_hold"]


def processes_that_hold(device: str, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Return "name (1234)" of all processes that hold a device and that this user may look at, without this one.

    Args:
        device: Its real path.
        proc: Where the kernel shows processes.
    """
    found = []
    for process in proc.glob("[0-9]*"):
        if process.name != str(os.getpid()) and _holds(process, device):
            found.append(f"{_name(process)} ({process.name})")
    return tuple(sorted(found))


def _holds(process: Path, device: str) -> bool:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return False
    return any(_target(descriptor) == device for descriptor in descriptors)


def _target(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)
    except OSError:  # closed since it was listed
        return ""


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "a process"
