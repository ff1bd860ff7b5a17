"""Timing several calls in turns, so that whatever disturbs the machine meets all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

__all__ = ["StageLatency", "TimedCall", "time_in_turns"]


class StageLatency(msgspec.Struct, frozen=True):
    """Milliseconds of one call over the repetitions.

    Attributes:
        name: Of the stage.
        mean_ms: Mean.
        p50_ms: Median.
        p95_ms: What 95 of 100 calls stay below.
        p99_ms: What 99 of 100 calls stay below.
        first_ms: The very first call, before the repetitions: what is loaded and allocated late comes on top.
    """

    name: str
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    first_ms: float


@dataclass(frozen=True)
class TimedCall:
    """What is timed, and what puts things back afterwards without being timed."""

    run: Callable[[], object]
    put_back: Callable[[], object] = lambda: None


def time_in_turns(
    calls: Mapping[str, TimedCall], *, repetitions: int, warm_up: int,
    announce: Callable[[int, int], object] = lambda done, of: None,
) -> tuple[StageLatency, ...]:  # fmt: skip
    """Time every call once a round.

    Args:
        calls: By the name of their stage.
        repetitions: Rounds that count, at least 1.
        warm_up: Rounds before that.
        announce: Told after each round how many are done, of how many.

    Returns:
        One for each call, in their order.
    """
    times_ms: dict[str, list[float]] = {name: [] for name in calls}
    n_rounds = warm_up + repetitions
    for index in range(n_rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call.run()
            times_ms[name].append((time.perf_counter() - start) * 1e3)
            call.put_back()
        announce(index + 1, n_rounds)
    return tuple(_summary(name, values[0], values[warm_up:]) for name, values in times_ms.items())


def _summary(name: str, first_ms: float, times_ms: Sequence[float]) -> StageLatency:
    p50, p95, p99 = np.percentile(times_ms, [50, 95, 99])
    return StageLatency(name, float(np.mean(times_ms)), float(p50), float(p95), float(p99), first_ms)
