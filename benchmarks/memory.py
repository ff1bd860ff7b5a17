"""How exactly the growth of a process's resident memory can be known; the measuring itself is the sdk's."""

from __future__ import annotations

import os

from hyperflow.evaluation.peak_memory import PeakMemory, PeakMethod

__all__ = ["MB", "PeakMemory", "PeakMethod", "memory_resolution_mb"]

MB = 1e6


def memory_resolution_mb() -> float:
    """Uncertainty of the kernel's resident size: each core keeps back up to a batch of pages before it adds them."""
    n_cores = os.cpu_count() or 1
    return max(64, 2 * n_cores) * n_cores * os.sysconf("SC_PAGE_SIZE") / MB
