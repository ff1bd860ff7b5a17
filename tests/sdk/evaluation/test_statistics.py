"""Means, intervals and paired differences in closed form."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperflow.evaluation.statistics import Estimate, fraction_recovered, mean_of, paired_difference, summarise

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


@pytest.mark.parametrize("values", [[0.5, math.nan], [math.inf, 0.1], []])
def test_nothing_that_is_not_finite_enters_a_mean(values: list[float]) -> None:
    with pytest.raises(ValueError, match="a mean needs finite values"):
        summarise(values)


def test_means_of_sets_weigh_alike_and_their_variances_add_up() -> None:
    mean = mean_of([Estimate(10.0, 3.0), Estimate(20.0, 4.0)])

    assert (mean.mean, mean.ci95) == (15.0, 2.5)


def test_the_share_of_a_gain_is_the_ratio_of_the_means_with_the_interval_of_the_delta_method() -> None:
    gains, reference = [0.10, 0.16, 0.06, 0.12], [0.22, 0.24, 0.14, 0.20]
    ratio = sum(gains) / sum(reference)
    residuals = np.array(gains) - ratio * np.array(reference)

    share = fraction_recovered([gains], [reference])

    assert share is not None
    assert share.mean == pytest.approx(100 * ratio)
    assert share.ci95 == pytest.approx(100 * 1.96 * residuals.std(ddof=1) / 2 / np.mean(reference))


def test_the_share_over_sets_is_the_ratio_of_the_means_over_sets() -> None:
    gains, reference = [[0.1, 0.2, 0.15], [0.3, 0.28, 0.32, 0.3]], [[0.2, 0.22, 0.3], [0.5, 0.52, 0.4, 0.44]]

    share = fraction_recovered(gains, reference)

    assert share is not None
    means, others = ([np.mean(values) for values in part] for part in (gains, reference))
    assert share.mean == pytest.approx(100 * np.mean(means) / np.mean(others))


@pytest.mark.parametrize("reference", [[0.1, -0.1, 0.05], [-0.2, -0.3, -0.25], [0.2]])
def test_there_is_no_share_of_a_gain_that_is_not_clear_of_zero(reference: list[float]) -> None:
    assert fraction_recovered([[0.1] * len(reference)], [reference]) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=30), st.randoms())
def test_a_paired_difference_does_not_depend_on_the_order_of_the_pairs(
    pairs: list[tuple[float, float]], chance: random.Random
) -> None:
    shuffled = chance.sample(pairs, len(pairs))
    first, second = (paired_difference(*zip(*order, strict=True)) for order in (pairs, shuffled))

    assert first.mean == pytest.approx(second.mean, abs=1e-9)
    assert first.ci95 == pytest.approx(second.ci95, abs=1e-9)
    assert first.mean == pytest.approx(summarise([a for a, _ in pairs]).mean - summarise([b for _, b in pairs]).mean)
