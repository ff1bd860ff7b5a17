"""The head: cosine similarity to class prototypes.

Snell et al., "Prototypical Networks for Few-shot Learning" (arXiv:1703.05175), with the cosine and the scale of
Hu et al., "Pushing the Limits of Simple Pipelines for Few-Shot Learning" (arXiv:2204.07305).
`hyperflow_runtime.prototypes` is the same in numpy; a test holds the two equal.
"""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = ["class_means", "cosine_scores", "prototypes_of", "query_cosines"]


def class_means(features: torch.Tensor, labels_onehot: torch.Tensor) -> torch.Tensor:
    """Mean feature of each class.

    Args:
        features: (S, D).
        labels_onehot: (S, N), one 1 a row.

    Returns:
        (N, D).
    """
    counts = labels_onehot.sum(dim=0).clamp(min=1.0)
    return (labels_onehot.T @ features) / counts[:, None]


def prototypes_of(features: torch.Tensor, labels_onehot: torch.Tensor) -> torch.Tensor:
    """Unit-length prototype of each class: the normalised mean of its normalised features.

    Args:
        features: Under the adapted theta, (S, D).
        labels_onehot: (S, N), one 1 a row.

    Returns:
        (N, D).
    """
    return functional.normalize(class_means(functional.normalize(features, dim=1), labels_onehot), dim=1)


def cosine_scores(features: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
    """Cosine of each feature to each prototype.

    Args:
        features: (Q, D).
        prototypes: Unit length, (N, D).

    Returns:
        (Q, N) in -1..1.
    """
    return functional.normalize(features, dim=1) @ prototypes.T


def query_cosines(features: torch.Tensor, labels_onehot: torch.Tensor) -> torch.Tensor:
    """Cosine of each query to the prototypes of its own episode's support.

    Args:
        features: Of the support and then of the queries, under one theta, (S + Q, D).
        labels_onehot: Of the support, (S, N), one 1 a row.

    Returns:
        (Q, N) in -1..1.
    """
    n_support = len(labels_onehot)
    return cosine_scores(features[n_support:], prototypes_of(features[:n_support], labels_onehot))
