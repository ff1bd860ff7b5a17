"""Expected calibration error and likelihood, against a reckoning query by query."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hyperflow.evaluation.calibration import calibration_error_of, calibration_record

N_BINS = 15
episodes = st.lists(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.float64, (n, 3), elements=st.floats(-8, 8)),
            hnp.arrays(np.int64, n, elements=st.integers(0, 2)),
        )
    ),
    min_size=2,
    max_size=5,
)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


@given(episodes)
def test_the_error_of_episodes_is_that_of_all_their_queries_in_one_pool(
    drawn: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    records = [calibration_record(_softmax(logits), labels) for logits, labels in drawn]

    pool: dict[int, list[tuple[float, bool]]] = {}
    for logits, labels in drawn:
        for row, label in zip(_softmax(logits), labels, strict=True):
            confidence = min(float(row.max()), 1.0)
            pool.setdefault(math.ceil(confidence * N_BINS), []).append((confidence, bool(row.argmax() == label)))
    n_all = sum(len(queries) for queries in pool.values())
    expected = sum(
        len(queries) / n_all * abs(np.mean([right for _, right in queries]) - np.mean([sure for sure, _ in queries]))
        for queries in pool.values()
    )
    estimate = calibration_error_of(records)
    assert estimate.mean == pytest.approx(100 * expected, abs=1e-9)
    assert math.isfinite(estimate.ci95)


def test_probabilities_that_come_true_as_often_as_they_say_have_no_error() -> None:
    probabilities = np.tile([0.75, 0.25], (8, 1))

    estimate = calibration_error_of([calibration_record(probabilities, np.array([0, 0, 0, 1] * 2))] * 3)

    assert estimate.mean == pytest.approx(0.0)
    assert estimate.ci95 == pytest.approx(0.0)


def test_sure_and_wrong_is_the_worst_there_is() -> None:
    record = calibration_record(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([1, 1]))

    assert calibration_error_of([record, record]).mean == pytest.approx(100.0)
    assert math.isfinite(record.nll)  # a probability of zero is taken as the least that a float32 has
    assert record.nll > 80


def test_the_likelihood_is_that_of_the_true_classes() -> None:
    record = calibration_record(np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([0, 1]))

    assert record.nll == pytest.approx((math.log(2) - math.log(0.8)) / 2)


def test_the_interval_grows_with_the_difference_between_episodes_and_one_episode_has_none() -> None:
    right, wrong = (calibration_record(np.array([[0.9, 0.1]] * 4), np.full(4, label)) for label in (0, 1))

    alike = calibration_error_of([right] * 8)
    apart = calibration_error_of([right] * 4 + [wrong] * 4)

    assert alike.ci95 == pytest.approx(0.0, abs=1e-9)
    assert 15 < apart.ci95 < 50  # binomial: 1.96 * 100 * sqrt(0.25 / 8) = 35
    assert calibration_error_of([right]).ci95 == math.inf
