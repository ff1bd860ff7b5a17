"""Timing several calls against each other on a machine that may be doing other things as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

__all__ = ["Times", "time_in_turns"]


class Times:
    """Milliseconds of every call in every round."""

    def __init__(self, by_name_ms: Mapping[str, NDArray[np.float64]]) -> None:
        """Take the times of each call, (rounds,), in the order of the rounds."""
        self._by_name_ms = dict(by_name_ms)

    def median_ms(self, name: str) -> float:
        """Middle time of a call."""
        return float(np.median(self._by_name_ms[name]))

    def p95_ms(self, name: str) -> float:
        """Time that 95 of 100 calls stay below."""
        return float(np.percentile(self._by_name_ms[name], 95))

    def fastest_ms(self, name: str) -> float:
        """Least time of a call: what it takes where nothing else disturbs it."""
        return float(np.min(self._by_name_ms[name]))

    def ratio(self, name: str, reference: str, *, minus: str | None = None) -> float:
        """How many times as long a call takes as the reference: the middle of the ratios within each round.

        Ratios within a round hold even where the machine was busier in one round than in another.

        Args:
            name: The call.
            reference: What it is compared with.
            minus: A part of the call that was timed by itself and does not count.
        """
        own = self._by_name_ms[name] - (0.0 if minus is None else self._by_name_ms[minus])
        return float(np.median(own / self._by_name_ms[reference]))


def time_in_turns(calls: Mapping[str, Callable[[], object]], repetitions: int, warm_up: int) -> Times:
    """Time every call once a round, in an order drawn anew for each, so that none always follows the same other.

    Each turn runs the call twice and times the second: the first brings its weights back into the processor's cache,
    where a stream of frames would have kept them.

    Args:
        calls: What to time.
        repetitions: Rounds that count.
        warm_up: Rounds before that.
    """
    rng = np.random.default_rng(0)
    times_ms: dict[str, list[float]] = {name: [] for name in calls}
    for index in range(warm_up + repetitions):
        for name in rng.permutation(list(calls)).tolist():
            calls[name]()
            start = perf_counter()
            calls[name]()
            elapsed_ms = (perf_counter() - start) * 1e3
            if index >= warm_up:
                times_ms[name].append(elapsed_ms)
    return Times({name: np.array(values) for name, values in times_ms.items()})
