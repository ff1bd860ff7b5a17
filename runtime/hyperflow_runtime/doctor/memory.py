"""Memory: enough of it for a model, and for building engines?"""

from __future__ import annotations

from pathlib import Path

from hyperflow_runtime.board.memory import read_memory
from hyperflow_runtime.doctor.finding import Finding

__all__ = ["examine_memory"]

_GIB = 2**30
_ENOUGH = 1.0 * _GIB
"""A CUDA context takes some hundreds of megabytes before the first weight is loaded."""
_SMALL_BOARD = 8 * _GIB


def examine_memory(*, is_jetson: bool, root: Path = Path("/")) -> tuple[Finding, ...]:
    """Judge the memory.

    Args:
        is_jetson: Whether engines are built in it.
        root: Top of the file system to look in.
    """
    memory = read_memory(root)
    if memory is None:
        return (Finding("memory", "the kernel does not tell", "note", "is /proc mounted?"),)
    value = f"{memory.available_bytes / _GIB:.1f} of {memory.total_bytes / _GIB:.1f} GiB available"
    if memory.gpu_bytes is not None:
        value += f", to processor and GPU together; the GPU has {memory.gpu_bytes / _GIB:.2f} GiB now"
    if memory.available_bytes < _ENOUGH:
        first = Finding("memory", value, "note", "end other programs; on a Jetson: sudo systemctl isolate multi-user")
    else:
        first = Finding("memory", value)
    swap = f"{memory.swap_free_bytes / _GIB:.1f} of {memory.swap_bytes / _GIB:.1f} GiB free"
    if is_jetson and not memory.swap_bytes and memory.total_bytes < _SMALL_BOARD:
        advice = "builds of engines may be killed; make a swap file, or build with a smaller workspace"
        return first, Finding("swap", "none", "note", advice)
    return first, Finding("swap", swap if memory.swap_bytes else "none")
