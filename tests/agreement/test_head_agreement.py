"""The sdk and the runtime classify alike: prototypes, leave-one-out, and the decision of the guard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hyperflow.adapted import guard as sdk_guard
from hyperflow.adapted import prototypes as sdk
from hyperflow.adapted import unknown as sdk_unknown
from hyperflow_runtime import guard as runtime_guard
from hyperflow_runtime import prototypes as runtime
from hyperflow_runtime import unknown as runtime_unknown
from hyperflow_runtime.bundle.manifest import Head

Array = NDArray[np.float32]


@st.composite
def supports(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """Support features, one-hot labels with at least one image a class, and query features."""
    n_way = draw(st.integers(2, 6))
    n_shots = draw(st.lists(st.integers(1, 5), min_size=n_way, max_size=n_way))
    labels = np.repeat(np.arange(n_way), n_shots)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rng.shuffle(labels)
    dim = draw(st.integers(2, 40))
    centres = draw(st.sampled_from([0.0, 1.0, 5.0])) * rng.standard_normal((n_way, dim))
    features = (centres[labels] + rng.standard_normal((len(labels), dim))).astype(np.float32)
    return features, np.eye(n_way, dtype=np.float32)[labels], rng.standard_normal((7, dim)).astype(np.float32)


def _torch(*arrays: Array) -> list[torch.Tensor]:
    return [torch.from_numpy(array) for array in arrays]


@settings(max_examples=60, deadline=None)
@given(supports())
def test_prototypes_and_cosines_are_the_same(support: tuple[Array, Array, Array]) -> None:
    features, onehot, queries = support
    torch_features, torch_onehot, torch_queries = _torch(*support)

    prototypes = runtime.prototypes_of(features, onehot)
    expected = sdk.prototypes_of(torch_features, torch_onehot)

    np.testing.assert_allclose(prototypes, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(
        runtime.cosine_scores(queries, prototypes), sdk.cosine_scores(torch_queries, expected).numpy(), atol=1e-5
    )


def test_a_zero_feature_is_treated_alike() -> None:
    features, onehot = np.array([[0, 0, 0], [1, 2, 2], [0, 0, 3]], np.float32), np.eye(2, dtype=np.float32)[[0, 1, 1]]
    torch_features, torch_onehot = _torch(features, onehot)

    np.testing.assert_allclose(
        runtime.cosine_scores(features, runtime.prototypes_of(features, onehot)),
        sdk.cosine_scores(torch_features, sdk.prototypes_of(torch_features, torch_onehot)).numpy(),
        atol=1e-6,
    )


@settings(max_examples=60, deadline=None)
@given(supports(), st.sampled_from([1.0, 10.0, 32.0]))
def test_leaving_one_out_gives_the_same_cosines_labels_and_loss(
    support: tuple[Array, Array, Array], logit_scale: float
) -> None:
    features, onehot, _ = support
    torch_features, torch_onehot, _ = _torch(*support)

    left_out = runtime_guard.leave_one_out(features, onehot)
    logits, labels = sdk_guard.leave_one_out_logits(torch_features, torch_onehot, logit_scale)
    loss = sdk_guard.leave_one_out_loss(torch_features, torch_onehot, logit_scale)

    np.testing.assert_array_equal(left_out.labels, labels.numpy())
    np.testing.assert_allclose(logit_scale * left_out.cosines, logits.numpy(), atol=2e-5 * logit_scale)
    if loss is None:
        assert left_out.loss(logit_scale) is None
    else:
        assert left_out.loss(logit_scale) == pytest.approx(loss, rel=1e-3, abs=1e-4)


losses = st.one_of(st.none(), st.floats(0, 5), st.sampled_from([0.1, 0.2, 0.3]))
candidates = st.lists(st.tuples(losses, st.sampled_from([0.0, 0.1, 0.2])), min_size=1, max_size=5)


@given(candidates)
def test_the_guard_chooses_the_same_candidate(pairs: Sequence[tuple[float | None, float]]) -> None:
    values, penalties = zip(*pairs, strict=True)

    assert runtime_guard.choose_candidate(values, penalties) == sdk_guard.choose_candidate(values, penalties)


@settings(max_examples=30, deadline=None)
@given(supports(), st.integers(0, 2**32))
def test_the_guard_decides_alike_on_features(support: tuple[Array, Array, Array], seed: int) -> None:
    """The same support under several thetas: the features differ, the labels do not."""
    features, onehot, _ = support
    rng = np.random.default_rng(seed)
    under = [features + rng.normal(0, spread, features.shape).astype(np.float32) for spread in (0.0, 0.5, 2.0)]
    by_runtime = [runtime_guard.leave_one_out(one, onehot).loss(10.0) for one in under]
    torch_onehot = torch.from_numpy(onehot)
    by_sdk = [sdk_guard.leave_one_out_loss(torch.from_numpy(one), torch_onehot, 10.0) for one in under]
    penalties = (0.0, 0.02, 0.02)
    totals = sorted(loss + penalty for loss, penalty in zip(by_sdk, penalties, strict=True) if loss is not None)
    assume(not totals or totals[1] - totals[0] > 1e-3)

    assert runtime_guard.choose_candidate(by_runtime, penalties) == sdk_guard.choose_candidate(by_sdk, penalties)


@settings(max_examples=60, deadline=None)
@given(supports(), st.floats(0, 4), st.floats(-1, 1))
def test_the_threshold_of_unknown_is_the_same(support: tuple[Array, Array, Array], margin: float, floor: float) -> None:
    features, onehot, _ = support
    torch_features, torch_onehot, _ = _torch(*support)

    left_out = runtime_guard.leave_one_out(features, onehot)
    threshold = runtime_unknown.unknown_threshold(left_out, Head(16.0, margin, floor))

    expected = sdk_unknown.unknown_threshold(torch_features, torch_onehot, margin=margin, floor=floor)
    assert threshold == pytest.approx(expected, abs=1e-4)
