"""Timing in turns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperflow_runtime.measuring import TimedCall, time_in_turns


def test_calls_take_turns_and_each_is_put_back_before_the_next() -> None:
    said: list[str] = []
    progress: list[tuple[int, int]] = []
    calls = {
        "a": TimedCall(lambda: said.append("a"), lambda: said.append("put a back")),
        "b": TimedCall(lambda: said.append("b")),
    }

    stages = time_in_turns(calls, repetitions=2, warm_up=1, announce=lambda done, of: progress.append((done, of)))

    assert said == ["a", "put a back", "b"] * 3
    assert progress == [(1, 3), (2, 3), (3, 3)]
    assert [stage.name for stage in stages] == ["a", "b"]


@given(
    st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=40), st.integers(0, 5),
)  # fmt: skip
def test_the_summary_is_of_the_rounds_after_the_warm_up(seconds: list[float], warm_up: int) -> None:
    clock = [0.0]
    spans = iter([*([99.0] * warm_up), *seconds])

    def take() -> None:
        clock[0] += next(spans)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hyperflow_runtime.measuring.time.perf_counter", lambda: clock[0])
        (stage,) = time_in_turns({"a": TimedCall(take)}, repetitions=len(seconds), warm_up=warm_up)

    times_ms = np.array(seconds) * 1e3
    assert stage.mean_ms == pytest.approx(times_ms.mean())
    assert stage.p50_ms == pytest.approx(np.median(times_ms))
    assert stage.p50_ms <= stage.p95_ms <= stage.p99_ms
    assert stage.first_ms == pytest.approx(99e3 if warm_up else times_ms[0])


def test_what_is_put_back_does_not_count() -> None:
    clock = [0.0]

    def pass_time(seconds: float) -> None:
        clock[0] += seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hyperflow_runtime.measuring.time.perf_counter", lambda: clock[0])
        call = TimedCall(lambda: pass_time(0.001), lambda: pass_time(5.0))
        (stage,) = time_in_turns({"a": call}, repetitions=3, warm_up=0)

    assert stage.p99_ms == pytest.approx(1.0)
