"""The head in closed form: unit rows, normalised means, cosines, softmax."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hyperflow_runtime.prototypes import cosine_scores, prototypes_of, softmax, unit_rows

Array = NDArray[np.float32]


def float32(rows: object) -> Array:
    return np.array(rows, np.float32)


def one_hot(labels: list[int]) -> Array:
    return np.eye(max(labels) + 1, dtype=np.float32)[labels]


def random_support(seed: int, counts: list[int], dim: int = 5) -> tuple[Array, Array]:
    """Features of `counts[i]` shots of each class i, in random order, with their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return rng.standard_normal((len(labels), dim)).astype(np.float32), np.eye(len(counts), dtype=np.float32)[labels]


def test_rows_are_scaled_to_length_one() -> None:
    np.testing.assert_allclose(unit_rows(float32([[3, 4], [0, -2]])), float32([[0.6, 0.8], [0, -1]]), rtol=1e-6)


def test_a_zero_row_stays_zero() -> None:
    np.testing.assert_array_equal(unit_rows(float32([[0, 0, 0]])), [[0, 0, 0]])


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_scale_of_the_features_changes_no_direction(scale: float) -> None:
    features = float32([[1, 2, 2]])

    np.testing.assert_allclose(unit_rows(features * np.float32(scale)), [[1 / 3, 2 / 3, 2 / 3]], rtol=1e-5)


def test_a_prototype_is_the_normalised_mean_of_normalised_features() -> None:
    features = float32([[2, 0], [0, 7], [-3, 0]])  # lengths differ, and must not count

    prototypes = prototypes_of(features, one_hot([0, 0, 1]))

    np.testing.assert_allclose(prototypes, float32([[2**-0.5, 2**-0.5], [-1, 0]]), rtol=1e-6)


def test_a_prototype_of_one_shot_is_that_shot() -> None:
    np.testing.assert_allclose(prototypes_of(float32([[0, 5], [4, 3]]), one_hot([0, 1])), float32([[0, 1], [0.8, 0.6]]))


def test_opposite_shots_leave_a_prototype_without_direction() -> None:
    np.testing.assert_array_equal(prototypes_of(float32([[1, 0], [-1, 0]]), one_hot([0, 0])), [[0, 0]])


def test_cosines_of_known_angles() -> None:
    prototypes = float32([[1, 0], [0, 1]])

    cosines = cosine_scores(float32([[10, 0], [0, -3], [1, 1]]), prototypes)

    np.testing.assert_allclose(cosines, float32([[1, 0], [0, -1], [2**-0.5, 2**-0.5]]), atol=1e-6)


def test_softmax_of_known_logits() -> None:
    logits = np.log(float32([[1, 2, 5], [1, 1, 2]]))

    np.testing.assert_allclose(softmax(logits), [[0.125, 0.25, 0.625], [0.25, 0.25, 0.5]], rtol=1e-6)


def test_softmax_of_large_logits_does_not_overflow() -> None:
    np.testing.assert_array_equal(softmax(float32([[1e4, 0], [-1e4, -1e4]])), [[1, 0], [0.5, 0.5]])


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32), counts=st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_the_order_of_the_shots_changes_no_prototype(seed: int, counts: list[int]) -> None:
    features, labels = random_support(seed, counts)
    order = np.random.default_rng(seed).permutation(len(features))

    np.testing.assert_allclose(
        prototypes_of(features[order], labels[order]), prototypes_of(features, labels), atol=1e-5
    )


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32), counts=st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_prototypes_are_unit_and_cosines_within_one(seed: int, counts: list[int]) -> None:
    features, labels = random_support(seed, counts)
    prototypes = prototypes_of(features, labels)
    cosines = cosine_scores(features, prototypes)

    np.testing.assert_allclose(np.linalg.norm(prototypes, axis=1), 1, rtol=1e-5)
    assert np.abs(cosines).max() <= 1 + 1e-5
    np.testing.assert_allclose(softmax(10 * cosines).sum(axis=1), 1, rtol=1e-5)
