"""Memory of the board, which on a Jetson processor and GPU share."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from hyperflow_runtime.board.reading import read_text

__all__ = ["Memory", "read_memory"]


class Memory(msgspec.Struct, frozen=True):
    """State of the memory.

    CUDA's own count of free memory leaves out what the kernel could free on a Jetson, so this is the one to go by.

    Attributes:
        total_bytes: All of it.
        available_bytes: What programs can still get without swapping.
        swap_bytes: Swap space, compressed memory included.
        swap_free_bytes: Unused part of it.
        gpu_bytes: In use by the GPU, of the same memory; None where they do not share it.
    """

    total_bytes: int
    available_bytes: int
    swap_bytes: int
    swap_free_bytes: int
    gpu_bytes: int | None


def read_memory(root: Path = Path("/")) -> Memory | None:
    """Look at the memory; None where the kernel does not tell.

    Args:
        root: Top of the file system to look in.
    """
    text = read_text(root / "proc/meminfo") or ""
    found = {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+):\s+(\d{1,15}) kB$", text, re.MULTILINE)}
    if "MemTotal" not in found or "MemAvailable" not in found:
        return None
    return Memory(
        total_bytes=found["MemTotal"],
        available_bytes=found["MemAvailable"],
        swap_bytes=found.get("SwapTotal", 0),
        swap_free_bytes=found.get("SwapFree", 0),
        gpu_bytes=found.get("NvMapMemUsed"),
    )
