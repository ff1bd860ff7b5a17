"""The head: cosine similarity to class prototypes, in numpy.

Snell et al., "Prototypical Networks for Few-shot Learning" (arXiv:1703.05175), with a cosine.
`hyperflow.adapted.prototypes` is the same in torch; a test holds the two equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["cosine_scores", "prototypes_of", "softmax", "unit_rows"]

Features = NDArray[np.float32]

_EPS = np.float32(1e-12)


def unit_rows(features: Features) -> Features:
    """Scale every row of (B, D) to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True).astype(np.float32)
    unit: Features = features / np.maximum(lengths, _EPS)
    return unit


def prototypes_of(features: Features, labels_onehot: Features) -> Features:
    """Unit-length prototype of each class: the normalised mean of its normalised features.

    Args:
        features: Under the adapted theta, (S, D).
        labels_onehot: (S, N), one 1 a row, no empty class.

    Returns:
        (N, D).
    """
    return unit_rows(labels_onehot.T @ unit_rows(features) / labels_onehot.sum(axis=0)[:, None])


def cosine_scores(features: Features, prototypes: Features) -> Features:
    """Cosine of each feature (Q, D) to each unit-length prototype (N, D); (Q, N) in -1..1."""
    return unit_rows(features) @ prototypes.T


def softmax(logits: Features) -> Features:
    """Probabilities of each row of (Q, N)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]
