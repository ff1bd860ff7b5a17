"""Resident memory of a process over time, and whether it grows."""

from __future__ import annotations

import math
import os
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

__all__ = ["MemorySampler", "MemoryTrend", "resident_bytes", "trend_of"]

_Z_95 = 1.96
_MB = 1e6
_N_STRETCHES = 20
_N_PARTS = 10
_FLAT_SHARE_PER_HOUR = 0.01
_Sample = tuple[float, float]


@dataclass(frozen=True)
class MemoryTrend:
    """How resident memory went.

    Attributes:
        mb_per_hour: Slope of a straight line through the samples, in 10^6 bytes an hour.
        half_width: Of its 95% interval. Neighbouring samples are alike, so the line is fitted to the means of about
            twenty stretches, whose errors are nearly independent.
        first_mb: Mean of the first tenth.
        last_mb: Mean of the last tenth.
        highest_mb: Of all samples.
        n_samples: How many there were.
        minutes: That they span.
        tenths_mb: Means of ten parts of equal length, in order, for those who want to see its course.
    """

    mb_per_hour: float
    half_width: float
    first_mb: float
    last_mb: float
    highest_mb: float
    n_samples: int
    minutes: float
    tenths_mb: tuple[float, ...]

    @property
    def is_flat(self) -> bool:
        """Whether the slope cannot be told from 0, or is surely below 1 % of the memory an hour."""
        may_be_none = self.mb_per_hour - self.half_width <= 0.0
        return may_be_none or self.mb_per_hour + self.half_width <= _FLAT_SHARE_PER_HOUR * self.first_mb


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process.

    Raises:
        OSError: It has ended.
    """
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def trend_of(samples: Sequence[_Sample], *, skip_s: float = 0.0) -> MemoryTrend:
    """Fit a line to memory over time.

    Args:
        samples: Seconds and megabytes, in order.
        skip_s: Warm-up to leave out, from the first sample on.

    Raises:
        ValueError: Fewer than three stretches of the time have a sample.
    """
    kept = [sample for sample in samples if sample[0] >= samples[0][0] + skip_s]
    means = _stretch_means(kept, _N_STRETCHES)
    if len(means) < 3:
        raise ValueError(f"{len(kept)} samples after {skip_s:g} s of warm-up are too few for a trend; run longer")
    slope, half_width = _line(means)
    megabytes = [mb for _, mb in kept]
    tenth = max(1, len(kept) // 10)
    return MemoryTrend(
        mb_per_hour=3600 * slope,
        half_width=3600 * half_width,
        first_mb=statistics.fmean(megabytes[:tenth]),
        last_mb=statistics.fmean(megabytes[-tenth:]),
        highest_mb=max(megabytes),
        n_samples=len(kept),
        minutes=(kept[-1][0] - kept[0][0]) / 60,
        tenths_mb=tuple(mb for _, mb in _stretch_means(kept, _N_PARTS)),
    )


def _stretch_means(samples: Sequence[_Sample], n: int) -> list[_Sample]:
    if not samples:
        return []
    start_s, length_s = samples[0][0], max(samples[-1][0] - samples[0][0], 1e-9) / n
    stretches: dict[int, list[_Sample]] = {}
    for sample in samples:
        stretches.setdefault(min(int((sample[0] - start_s) / length_s), n - 1), []).append(sample)
    return [
        (statistics.fmean(at_s for at_s, _ in found), statistics.fmean(mb for _, mb in found))
        for _, found in sorted(stretches.items())
    ]


def _line(points: Sequence[_Sample]) -> tuple[float, float]:
    """Return the slope of least squares, and the half width of its 95% interval."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    slope, intercept = statistics.linear_regression(xs, ys)
    mean_x = statistics.fmean(xs)
    spread = sum((x - mean_x) ** 2 for x in xs)
    residual = sum((y - intercept - slope * x) ** 2 for x, y in points)
    return slope, _Z_95 * math.sqrt(residual / (len(points) - 2) / spread)


class MemorySampler:
    """Takes the resident memory of a process every few seconds, in a thread. A context manager."""

    def __init__(self, pid: int, *, every_s: float = 5.0) -> None:
        """Wait for the context.

        Args:
            pid: Of the process.
            every_s: Seconds between samples.
        """
        self._pid, self._every_s = pid, every_s
        self._samples: list[_Sample] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory sampler", daemon=True)

    def __enter__(self) -> MemorySampler:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()

    @property
    def samples(self) -> list[_Sample]:
        """Seconds on the monotonic clock, and megabytes of 10^6 bytes."""
        return list(self._samples)

    def trend(self, *, skip_s: float = 0.0) -> MemoryTrend:
        """Return how memory went; see `trend_of`."""
        return trend_of(self.samples, skip_s=skip_s)

    def _run(self) -> None:
        while True:
            try:
                self._samples.append((time.monotonic(), resident_bytes(self._pid) / _MB))
            except OSError:
                return  # the process has ended; that is for others to notice
            if self._closing.wait(self._every_s):
                return
