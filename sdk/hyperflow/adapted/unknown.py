"""When an image is like none of the classes: a threshold on the cosine, taken from the support itself.

`hyperflow_runtime.unknown` is the same in numpy; a test holds the two equal.
"""

from __future__ import annotations

import torch

from hyperflow.adapted.guard import leave_one_out_logits

__all__ = ["unknown_threshold"]

_MIN_LEFT_OUT = 4  # fewer left-out images say too little about the spread of a class


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
    own = cosines.gather(1, labels[:, None])[:, 0]
    return float(own.mean() - margin * own.std().clamp(min=1e-3))
