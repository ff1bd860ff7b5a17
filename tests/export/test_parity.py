"""Comparison of arrays: what passes, what fails, and the figures that are reported."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_export.parity import compare

Array = NDArray[np.float32]


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
    check = compare("x", expected, actual)

    assert (check.name, check.passed, check.top1_agreement) == ("x", passed, None)


def test_the_figures_are_the_largest_difference_and_the_least_cosine() -> None:
    check = compare("x", _array([[1.0, 0.0], [0.0, 2.0]]), _array([[1.0, 0.0], [2.0, 2.0]]))

    assert check.max_abs == 2.0
    assert check.cosine == pytest.approx(math.sqrt(0.5))


@pytest.mark.parametrize("actual", [ROWS[:1], ROWS * np.float32(np.nan)], ids=["shape", "NaN"])
def test_what_cannot_be_compared_has_the_worst_figures(actual: Array) -> None:
    check = compare("x", ROWS, actual)

    assert (check.max_abs, check.cosine, check.passed) == (math.inf, -1.0, False)


@pytest.mark.parametrize(("n_swapped", "agreement", "passed"), [(0, 1.0, True), (1, 0.99, True), (2, 0.98, False)])
def test_scores_must_name_the_same_winner_in_99_of_100_rows(n_swapped: int, agreement: float, passed: bool) -> None:
    expected = np.tile(_array([[0.9, 0.90001, -0.5]]), (100, 1))
    actual = expected.copy()
    actual[:n_swapped, 0] += 0.0001  # far below the tolerance of the difference, yet another winner

    check = compare("scores", expected, actual, are_scores=True)

    assert check.top1_agreement == pytest.approx(agreement)
    assert check.passed == passed
    assert compare("no scores", expected, actual).passed
