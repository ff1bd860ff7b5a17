"""The frame budget: how many frames are left out, so that the mean work for each stays within it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperflow_runtime.live.budget import FrameBudget


def test_without_a_budget_every_frame_is_answered() -> None:
    assert FrameBudget(None).spend(10_000.0) == 0


@pytest.mark.parametrize(
    ("duration_ms", "n_skipped"), [(0.0, 0), (5.0, 0), (10.0, 0), (10.1, 1), (20.0, 1), (25.0, 2), (100.0, 9)]
)
def test_work_that_takes_n_times_the_budget_is_done_for_every_nth_frame(duration_ms: float, n_skipped: int) -> None:
    assert FrameBudget(10.0).spend(duration_ms) == n_skipped


def test_one_slow_frame_is_forgotten_after_a_while() -> None:
    budget = FrameBudget(10.0)
    budget.spend(5.0)
    assert budget.spend(200.0) > 0

    skipped = [budget.spend(5.0) for _ in range(20)]

    assert skipped == sorted(skipped, reverse=True)
    assert skipped[-1] == 0


@given(st.floats(0.1, 100), st.lists(st.floats(0, 1000), min_size=5, max_size=50))
def test_the_mean_load_stays_within_the_budget(budget_ms: float, durations_ms: list[float]) -> None:
    budget = FrameBudget(budget_ms)
    mean_ms = sum(durations_ms) / len(durations_ms)
    for _ in range(3):
        for _duration in durations_ms:
            skipped = budget.spend(mean_ms)
            assert 0 <= skipped <= 300
    assert skipped == 300 or mean_ms / (skipped + 1) <= budget_ms * (1 + 1e-6)


@pytest.mark.parametrize("budget_ms", [0.0, -1.0, float("nan")])
def test_a_budget_must_be_above_0(budget_ms: float) -> None:
    with pytest.raises(ValueError, match="budget_ms must be above 0, got"):
        FrameBudget(budget_ms)
