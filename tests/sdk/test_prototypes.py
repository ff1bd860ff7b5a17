"""The cosine head: means, prototypes and scores against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from hyperflow.adapted.prototypes import class_means, cosine_scores, prototypes_of


def _onehot(labels: list[int]) -> torch.Tensor:
    return functional.one_hot(torch.tensor(labels)).float()


def test_a_prototype_is_the_normalised_mean_of_normalised_features() -> None:
    features = torch.tensor([[3.0, 0.0], [0.0, 5.0], [-2.0, 0.0]])

    prototypes = prototypes_of(features, _onehot([0, 0, 1]))

    half = 0.5**0.5
    torch.testing.assert_close(prototypes, torch.tensor([[half, half], [-1.0, 0.0]]))


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1, 1, 1, 2], [2, 0, 1, 0, 2, 2, 1]])
def test_prototypes_and_scores_equal_a_plain_loop(labels: list[int]) -> None:
    support, queries = torch.randn(len(labels), 6), torch.randn(5, 6)
    unit = [row / np.linalg.norm(row) for row in support.numpy().astype(np.float64)]
    means = [np.mean([u for u, own in zip(unit, labels, strict=True) if own == c], axis=0) for c in sorted(set(labels))]
    expected = [[q @ m / np.linalg.norm(q) / np.linalg.norm(m) for m in means] for q in queries.numpy()]

    scores = cosine_scores(queries, prototypes_of(support, _onehot(labels)))

    np.testing.assert_allclose(scores.numpy(), expected, atol=1e-6)
    assert scores.abs().max() <= 1 + 1e-6


def test_class_means_are_means_of_the_features_as_they_are() -> None:
    features = torch.tensor([[1.0, 2.0], [3.0, 6.0], [10.0, 0.0]])

    assert class_means(features, _onehot([0, 0, 1])).tolist() == [[2.0, 4.0], [10.0, 0.0]]


def test_the_length_of_a_feature_does_not_matter() -> None:
    support, queries, onehot = torch.randn(4, 8), torch.randn(3, 8), _onehot([0, 0, 1, 1])
    lengths = torch.tensor([0.1, 5.0, 2.0, 30.0])[:, None]

    scaled = cosine_scores(7 * queries, prototypes_of(lengths * support, onehot))

    torch.testing.assert_close(scaled, cosine_scores(queries, prototypes_of(support, onehot)))


def test_a_zero_feature_scores_zero_and_is_not_nan() -> None:
    prototypes = prototypes_of(torch.tensor([[0.0, 0.0], [1.0, 0.0]]), _onehot([0, 1]))

    assert cosine_scores(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), prototypes).tolist() == [[0.0, 0.0], [0.0, 1.0]]
