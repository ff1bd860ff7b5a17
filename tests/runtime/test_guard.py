"""The guard and the threshold of "unknown": leave-one-out on the support, in closed form and against a naive loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hyperflow_runtime.bundle.manifest import Head
from hyperflow_runtime.guard import LeaveOneOut, choose_candidate, leave_one_out
from hyperflow_runtime.prototypes import prototypes_of, unit_rows
from hyperflow_runtime.unknown import MIN_LEFT_OUT, unknown_threshold

Array = NDArray[np.float32]
HEAD = Head(logit_scale=10.0, unknown_margin=2.0, unknown_floor=0.3)


def one_hot(labels: list[int]) -> Array:
    return np.eye(max(labels) + 1, dtype=np.float32)[labels]


def random_support(seed: int, counts: list[int], dim: int = 5) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return rng.standard_normal((len(labels), dim)).astype(np.float32), np.eye(len(counts), dtype=np.float32)[labels]


def naive_leave_one_out(features: Array, labels_onehot: Array) -> tuple[Array, list[int]]:
    """For every shot whose class has another one: prototypes of the rest, and the shot's cosine to each."""
    labels = labels_onehot.argmax(axis=1).tolist()
    rows, kept = [], []
    for index, label in enumerate(labels):
        if labels.count(label) == 1:
            continue
        rest = np.arange(len(labels)) != index
        prototypes = prototypes_of(features[rest], labels_onehot[rest])
        rows.append((unit_rows(features[index : index + 1]) @ prototypes.T)[0])
        kept.append(label)
    return np.array(rows, np.float32).reshape(len(kept), labels_onehot.shape[1]), kept


COUNTS = st.lists(st.integers(1, 4), min_size=2, max_size=5)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32), counts=COUNTS)
def test_leave_one_out_is_what_a_naive_loop_gives(seed: int, counts: list[int]) -> None:
    features, labels_onehot = random_support(seed, counts)
    cosines, labels = naive_leave_one_out(features, labels_onehot)

    left_out = leave_one_out(features, labels_onehot)

    assert left_out.labels.tolist() == labels
    np.testing.assert_allclose(left_out.cosines, cosines, atol=2e-5)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32), counts=COUNTS)
def test_another_order_of_the_shots_gives_the_same_in_that_order(seed: int, counts: list[int]) -> None:
    features, labels_onehot = random_support(seed, counts)
    order = np.random.default_rng(seed).permutation(len(features))
    kept = labels_onehot.sum(axis=0)[labels_onehot.argmax(axis=1)] > 1
    position = np.cumsum(kept) - 1  # of each shot among those that were left out

    left_out, permuted = leave_one_out(features, labels_onehot), leave_one_out(features[order], labels_onehot[order])

    expected = position[order][kept[order]]
    np.testing.assert_array_equal(permuted.labels, left_out.labels[expected])
    np.testing.assert_allclose(permuted.cosines, left_out.cosines[expected], atol=2e-5)
    loss = left_out.loss(10.0)
    assert permuted.loss(10.0) == (None if loss is None else pytest.approx(loss, abs=1e-4))


def test_two_shots_of_a_class_see_each_other_alone() -> None:
    features = np.array([[2, 0], [0, 3], [-1, 0], [-5, 0]], np.float32)

    left_out = leave_one_out(features, one_hot([0, 0, 1, 1]))

    np.testing.assert_allclose(
        left_out.cosines, np.array([[0, -1], [0, 0], [-(2**-0.5), 1], [-(2**-0.5), 1]]), atol=1e-6
    )
    np.testing.assert_allclose(left_out.own_cosines, [0, 0, 1, 1], atol=1e-6)


def test_a_class_with_one_shot_is_left_out_but_still_competes() -> None:
    features = np.array([[1, 0], [1, 0], [0, 1]], np.float32)

    left_out = leave_one_out(features, one_hot([0, 0, 1]))

    assert left_out.labels.tolist() == [0, 0]
    np.testing.assert_allclose(left_out.cosines, [[1, 0], [1, 0]], atol=1e-6)


def test_nothing_can_be_left_out_of_one_shot_a_class() -> None:
    left_out = leave_one_out(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32))

    assert left_out.labels.shape == (0,)
    assert left_out.cosines.shape == (0, 3)
    assert left_out.accuracy is None
    assert left_out.loss(10.0) is None


def test_the_inputs_are_not_written_to() -> None:
    features, labels_onehot = random_support(0, [3, 2])
    before = features.copy(), labels_onehot.copy()

    leave_one_out(features, labels_onehot)

    np.testing.assert_array_equal(features, before[0])
    np.testing.assert_array_equal(labels_onehot, before[1])


def left_out_of(cosines: list[list[float]], labels: list[int]) -> LeaveOneOut:
    return LeaveOneOut(np.array(cosines, np.float32).reshape(len(labels), 2), np.array(labels, np.int64))


def test_accuracy_is_the_share_that_its_own_class_wins() -> None:
    left_out = left_out_of([[0.9, 0.1], [0.2, 0.8], [0.7, 0.6], [0.1, 0.3]], [0, 1, 1, 1])

    assert left_out.accuracy == 0.75


def test_the_loss_is_the_mean_cross_entropy() -> None:
    left_out = left_out_of([[1.0, 0.0], [0.5, 0.5]], [0, 1])

    assert left_out.loss(10.0) == pytest.approx((math.log(1 + math.exp(-10)) + math.log(2)) / 2, rel=1e-5)


def test_the_loss_of_a_hopeless_image_stays_finite() -> None:
    assert left_out_of([[1.0, -1.0]], [1]).loss(1e4) == pytest.approx(-math.log(np.finfo(np.float32).tiny), rel=1e-6)


CHOICES: list[tuple[list[float | None], list[float], int | None]] = [
    ([0.3, 0.2, 0.4], [0.0, 0.0, 0.0], 1),
    ([0.3, 0.2, 0.4], [0.0, 0.2, 0.0], 0),
    ([0.3, 0.2, 0.4], [0.0, 0.0, -0.5], 2),
    ([0.2, 0.2, 0.2], [0.0, 0.0, 0.0], 0),
    ([0.4, 0.2, 0.2], [0.0, 0.0, 0.0], 1),
    ([0.5], [1.0], 0),
    ([None, None, None], [0.0, 0.0, 0.0], None),
    ([None, 0.1], [0.0, 0.0], None),
]


@pytest.mark.parametrize(("losses", "penalties", "expected"), CHOICES)
def test_the_least_penalised_loss_is_chosen_and_the_first_of_equals(
    losses: list[float | None], penalties: list[float], expected: int | None
) -> None:
    assert choose_candidate(losses, penalties) == expected


def test_every_candidate_needs_a_penalty() -> None:
    with pytest.raises(ValueError, match="zip"):
        choose_candidate([0.1, 0.2], [0.0])


def test_the_threshold_lies_a_margin_below_the_mean_of_the_own_cosines() -> None:
    own = [0.9, 0.8, 0.7, 0.6]
    left_out = left_out_of([[cosine, 0.5] for cosine in own], [0, 0, 0, 0])

    assert unknown_threshold(left_out, HEAD) == pytest.approx(0.75 - 2.0 * np.std(own, ddof=1), rel=1e-5)


def test_equal_cosines_still_leave_some_margin() -> None:
    left_out = left_out_of([[0.9, 0.9]] * 4, [0] * 4)

    assert unknown_threshold(left_out, HEAD) == pytest.approx(0.9 - 2.0 * 1e-3, rel=1e-5)


def test_near_copies_of_things_far_apart_leave_a_share_of_the_gap() -> None:
    left_out = left_out_of([[0.95, 0.4], [0.951, 0.4], [0.4, 0.949], [0.4, 0.95]], [0, 0, 1, 1])

    assert unknown_threshold(left_out, HEAD) == pytest.approx(0.95 - 0.3 * 0.55, rel=1e-4)


def test_a_class_that_is_nearer_than_the_own_one_does_not_raise_the_threshold() -> None:
    left_out = left_out_of([[0.2, 0.8], [0.3, 0.8], [0.8, 0.2], [0.8, 0.3]], [0, 0, 1, 1])
    own = [0.2, 0.3, 0.2, 0.3]

    assert unknown_threshold(left_out, HEAD) == pytest.approx(0.25 - 2.0 * np.std(own, ddof=1), rel=1e-5)


@pytest.mark.parametrize("n", range(MIN_LEFT_OUT))
def test_too_few_images_fall_back_on_the_floor(n: int) -> None:
    assert unknown_threshold(left_out_of([[0.9, 0.0]] * n, [0] * n), HEAD) == 0.3
