"""When an image is like none of the classes: a threshold on the cosine, taken from the support itself.

`hyperflow_runtime.unknown` is the same in numpy; a test holds the two equal.
"""

from __future__ import annotations

import torch

from hyperflow.adapted.guard import leave_one_out_logits

__all__ = ["threshold_of", "unknown_threshold"]

_MIN_LEFT_OUT = 4  # fewer left-out images say too little about the spread of a class
_SHARE_OF_GAP = 0.3  # at most this far from the own class towards the nearest other: near copies have no spread


def unknown_threshold(features: torch.Tensor, labels_onehot: torch.Tensor, *, margin: float, floor: float) -> float:
    """Cosine below which the best class is not believed.

    Args:
        features: Support features under the theta in force, (S, D).
        labels_onehot: (S, N), one 1 a row.
        margin: How far below the mean of the support's leave-one-out cosines the threshold lies, in their standard
            deviations.
        floor: The threshold where there is too little to leave out.

    Returns:
        Threshold in -1..1.
    """
    cosines, labels = leave_one_out_logits(features, labels_onehot, 1.0)
    if len(labels) < _MIN_LEFT_OUT:
        return floor
    return float(threshold_of(cosines, labels, margin))


def threshold_of(cosines: torch.Tensor, labels: torch.Tensor, margin: float) -> torch.Tensor:
    """Threshold from leave-one-out cosines.

    Args:
        cosines: (M, N).
        labels: Classes of the images that were left out, (M,).
        margin: See `unknown_threshold`.
    """
    own = cosines.gather(1, labels[:, None])[:, 0]
    nearest_other = cosines.scatter(1, labels[:, None], -1.0).max(dim=1).values
    by_spread = own.mean() - margin * own.std().clamp(min=1e-3)
    by_gap = own.mean() - _SHARE_OF_GAP * (own.mean() - nearest_other.mean()).clamp(min=0.0)
    return torch.minimum(by_spread, by_gap)
