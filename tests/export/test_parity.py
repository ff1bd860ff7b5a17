"""Comparison of arrays: what passes, what fails, and the figures that are reported."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_export.parity import TOLERANCES, Tolerance, compare
from hyperflow_runtime.bundle.manifest import Precision

Array = NDArray[np.float32]


FP32 = TOLERANCES["fp32"]


def _array(values: object) -> Array:
    return np.array(values, dtype=np.float32)


ROWS = _array([[1.0, -2.0, 0.5], [0.25, 4.0, -1.0]])


@pytest.mark.parametrize(
    ("expected", "actual", "passed"),
    [
        (ROWS, ROWS, True),
        (ROWS, ROWS + 0.0039, True),  # the largest value is 4, so 0.004 is the limit
        (ROWS, ROWS + 0.0041, False),
        (1e3 * ROWS, 1e3 * ROWS + 3.9, True),
        (ROWS[0], ROWS[0], True),
        (ROWS[0], ROWS[0] + 0.0021, False),
        (ROWS, -ROWS, False),
        (ROWS, ROWS[:1], False),
        (ROWS, ROWS.T, False),
        (ROWS, np.where(ROWS == 4, np.nan, ROWS), False),
        (ROWS, np.where(ROWS == 4, np.inf, ROWS), False),
        (np.where(ROWS == 4, np.nan, ROWS), ROWS, False),
        (np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32), True),
        (np.zeros((2, 3), np.float32), np.full((2, 3), 1e-3, np.float32), False),
        (_array([[100.0, 0.0], [0.01, 0.0]]), _array([[100.0, 0.0], [0.0, 0.01]]), False),  # a small row, turned
    ],
    ids=[
        "equal", "just inside", "just outside", "inside at a larger scale", "equal vector", "vector outside", "negated",
        "fewer rows", "transposed", "NaN", "infinity", "NaN expected", "zeros", "not zero", "direction of one row",
    ],
)  # fmt: skip
def test_the_verdict_is_on_shape_difference_and_direction(expected: Array, actual: Array, passed: bool) -> None:
    check = compare("x", expected, actual, tolerance=FP32)

    assert (check.name, check.passed, check.top1_agreement) == ("x", passed, None)


def test_the_figures_are_the_largest_difference_and_the_least_cosine() -> None:
    check = compare("x", _array([[1.0, 0.0], [0.0, 2.0]]), _array([[1.0, 0.0], [2.0, 2.0]]), tolerance=FP32)

    assert check.max_abs == 2.0
    assert check.cosine == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize("actual", [ROWS[:1], ROWS * np.float32(np.nan)], ids=["shape", "NaN"])
def test_what_cannot_be_compared_has_the_worst_figures(actual: Array) -> None:
    check = compare("x", ROWS, actual, tolerance=FP32)

    assert (check.max_abs, check.cosine, check.passed) == (math.inf, -1.0, False)


@pytest.mark.parametrize(("n_swapped", "agreement", "passed"), [(0, 1.0, True), (1, 0.99, True), (2, 0.98, False)])
def test_scores_must_name_the_same_winner_in_99_of_100_rows(n_swapped: int, agreement: float, passed: bool) -> None:
    expected = np.tile(_array([[0.9, 0.90001, -0.5]]), (100, 1))
    actual = expected.copy()
    actual[:n_swapped, 0] += 0.0001  # far below the tolerance of the difference, yet another winner

    check = compare("scores", expected, actual, tolerance=FP32, are_scores=True)

    assert check.top1_agreement == pytest.approx(agreement)
    assert check.passed == passed
    assert compare("no scores", expected, actual, tolerance=FP32).passed


def test_a_small_change_is_compared_as_a_change_where_its_start_is_given() -> None:
    start = np.full(64, 2.0, np.float32)
    change = np.linspace(-0.02, 0.02, 64, dtype=np.float32)

    other_way = compare("theta", start + change, start - change, tolerance=TOLERANCES["int8"], start=start)

    assert compare("theta", start + change, start - change, tolerance=TOLERANCES["int8"]).passed  # as values, equal
    assert (other_way.passed, other_way.cosine) == (False, pytest.approx(-1.0, abs=1e-6))
    assert other_way.max_abs == pytest.approx(0.04, rel=1e-4)
    assert compare("theta", start + change, start + change, tolerance=FP32, start=start).passed


def test_no_change_at_all_has_no_direction_to_compare() -> None:
    start = np.full(8, 100.0, np.float32)

    check = compare("theta", start, start + np.float32(7.6e-6), tolerance=FP32, start=start)

    assert (check.passed, check.cosine) == (True, 1.0)


@pytest.mark.parametrize("coarse", ["fp16", "int8"])
def test_a_lower_precision_passes_more_and_states_its_limits(coarse: Precision) -> None:
    tolerance = TOLERANCES[coarse]
    noisy = ROWS + np.float32(4 * 0.9 * tolerance.max_relative) * _array([[0, 1, 0], [0, 1, 0]])

    assert not compare("x", ROWS, noisy, tolerance=FP32).passed
    assert compare("x", ROWS, noisy, tolerance=Tolerance(tolerance.max_relative, -1.0, 0.0)).passed
    assert f"{tolerance.max_relative:g} of the largest value" in str(tolerance)
    assert f"cosine {tolerance.min_cosine}" in str(tolerance)
