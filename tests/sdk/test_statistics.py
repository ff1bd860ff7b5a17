"""Means, intervals and paired differences in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperflow.evaluation.statistics import Estimate, paired_difference, summarise

accuracies = st.lists(st.floats(0, 1), min_size=2, max_size=50)


@pytest.mark.parametrize(
    ("values", "mean", "ci95"),
    [
        ([0.0, 1.0], 50.0, 1.96 * 100 * math.sqrt(0.5) / math.sqrt(2)),
        ([0.2, 0.4, 0.6, 0.8], 50.0, 1.96 * 100 * math.sqrt(0.2 / 3) / 2),
        ([0.7, 0.7, 0.7], 70.0, 0.0),
        ([0.25], 25.0, math.inf),
    ],
)
def test_mean_and_half_width_are_in_points(values: list[float], mean: float, ci95: float) -> None:
    estimate = summarise(values)

    assert estimate.mean == pytest.approx(mean)
    assert estimate.ci95 == pytest.approx(ci95, abs=1e-9)


@given(accuracies)
def test_the_interval_is_the_one_of_the_sample_deviation(values: list[float]) -> None:
    points = 100 * np.array(values)
    variance = ((points - points.mean()) ** 2).sum() / (len(points) - 1)

    assert summarise(values).ci95 == pytest.approx(1.96 * math.sqrt(variance / len(points)), abs=1e-6)


def test_a_paired_difference_is_narrower_than_its_parts_when_they_move_together() -> None:
    baseline = np.linspace(0.2, 0.8, 20)
    better = baseline + 0.05

    difference = paired_difference(better, baseline)

    assert difference.mean == pytest.approx(5.0)
    assert difference.ci95 == pytest.approx(0.0, abs=1e-9)
    assert summarise(better).ci95 > 5


def test_swapping_the_methods_turns_the_sign_around() -> None:
    first, second = [0.2, 0.9, 0.4], [0.5, 0.6, 0.6]
    there, back = paired_difference(first, second), paired_difference(second, first)

    assert there.mean == pytest.approx(-back.mean)
    assert there.ci95 == pytest.approx(back.ci95)


def test_an_estimate_reads_as_mean_and_half_width() -> None:
    assert str(Estimate(81.25, 0.74)) == "81.2 ± 0.7"
