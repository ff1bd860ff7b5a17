"""Having the kernel run aarch64 programs through qemu."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

from emulation.failure import CannotRun

__all__ = ["enable_aarch64", "is_native"]

_BINFMT = Path("/proc/sys/fs/binfmt_misc")


def is_native() -> bool:
    """Whether this machine is an aarch64 one, and nothing is emulated."""
    return platform.machine() == "aarch64"


def _is_enabled() -> bool:
    """Whether an interpreter is registered that also works inside another root (flag F: opened at registration)."""
    entry = _BINFMT / "qemu-aarch64"
    if not entry.is_file():
        return False
    lines = entry.read_text().splitlines()
    return "enabled" in lines and any(line.startswith("flags:") and "F" in line for line in lines)


def enable_aarch64() -> None:
    """Register qemu for aarch64, if it is not yet.

    Raises:
        CannotRun: The kernel or the package does not allow it.
    """
    if is_native() or _is_enabled():
        return
    if not (_BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT], capture_output=True)
    if not _is_enabled() and shutil.which("update-binfmts"):
        subprocess.run(["update-binfmts", "--enable", "qemu-aarch64"], capture_output=True)
    if not _is_enabled():
        raise CannotRun(
            "the kernel does not run aarch64 programs; install qemu-user-static and binfmt-support, and check "
            f"{_BINFMT}/qemu-aarch64 (in a container, enable it on the host)"
        )
