"""How much the resident memory of this process grows at most, while something runs.

The kernel keeps the peak itself (`VmHWM` in /proc/self/status), and writing 5 to /proc/self/clear_refs sets it back to
what is resident now. Where that is not permitted, a thread reads the resident size every millisecond instead, which can
miss a shorter peak. Both are blind to memory that an allocator kept from before and uses again, and to the code and
weights that were loaded before.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal

__all__ = ["PeakMemory", "PeakMethod", "returning_freed_memory"]

PeakMethod = Literal["kernel peak counter", "sampled every millisecond"]

_MB = 1e6
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_RESET_PEAK = "5"
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)


@contextmanager
def returning_freed_memory() -> Iterator[None]:
    """Make the allocator give every larger block straight back to the system, so that growth is what is in use.

    It otherwise keeps freed blocks, and what is then built out of them shows as no growth at all. This needs glibc and
    does nothing elsewhere. Afterwards blocks are kept again, up to the sizes that glibc itself would end at.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    gc.collect()
    libc.malloc_trim(0)
    libc.mallopt(_MMAP_THRESHOLD, 64 * 1024)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_THRESHOLD, 32 * 1024 * 1024)
        libc.mallopt(_TRIM_THRESHOLD, 64 * 1024 * 1024)


def _status_mb(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise OSError(f"/proc/self/status has no {field}; peak memory is measured on Linux only")
    return int(found.group(1)) * 1024 / _MB


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES / _MB


class _Sampler:
    """Reads the resident size in a thread until it is stopped."""

    def __init__(self) -> None:
        self.peak_mb = _resident_mb()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory-sampler", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.001):
            self.peak_mb = max(self.peak_mb, _resident_mb())

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


class PeakMemory:
    """Measures the block under `with`.

    Attributes:
        before_mb: Resident when the block began.
        increase_mb: Largest growth over that inside the block, 0 or more; read it after the block.
        method: How it was measured.
    """

    def __init__(self) -> None:
        """Measure nothing yet."""
        self.before_mb = self.increase_mb = 0.0
        self.method: PeakMethod = "kernel peak counter"
        self._sampler: _Sampler | None = None

    def __enter__(self) -> PeakMemory:
        gc.collect()
        self.before_mb = _status_mb("VmRSS")
        try:
            Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
        except OSError:
            self.method, self._sampler = "sampled every millisecond", _Sampler()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._sampler is None:
            peak_mb = _status_mb("VmHWM")
        else:
            self._sampler.stop()
            peak_mb = self._sampler.peak_mb
        self.increase_mb = max(peak_mb - self.before_mb, 0.0)
