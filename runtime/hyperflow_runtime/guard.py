"""The guard: the support alone chooses the step size, and doing nothing is always a candidate.

A wrong adaptation must not be worse than none. Each candidate theta is judged by the leave-one-out loss of the
prototype classifier on the support. `hyperflow.adapted.guard` is the same in torch; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime.prototypes import Features, softmax, unit_rows

__all__ = ["LeaveOneOut", "choose_candidate", "leave_one_out"]


@dataclass(frozen=True)
class LeaveOneOut:
    """Every support image classified by prototypes that have not seen it.

    Attributes:
        cosines: (M, N), for the M images whose class has another image.
        labels: Their classes, (M,).
    """

    cosines: Features
    labels: NDArray[np.int64]

    @property
    def own_cosines(self) -> Features:
        """Cosine of each image to its own class, (M,)."""
        return self.cosines[np.arange(len(self.labels)), self.labels]

    @property
    def nearest_other_cosines(self) -> Features:
        """Cosine of each image to the nearest class that is not its own, (M,); needs two classes."""
        others = self.cosines.copy()
        others[np.arange(len(self.labels)), self.labels] = -1.0
        nearest: Features = others.max(axis=1)
        return nearest

    @property
    def accuracy(self) -> float | None:
        """Share of images that their class wins, in 0..1; None when there was nothing to leave out."""
        return float((self.cosines.argmax(axis=1) == self.labels).mean()) if len(self.labels) else None

    def loss(self, logit_scale: float) -> float | None:
        """Mean cross-entropy; None when there was nothing to leave out."""
        if not len(self.labels):
            return None
        probabilities = softmax(np.float32(logit_scale) * self.cosines)
        own = probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean())


def leave_one_out(features: Features, labels_onehot: Features) -> LeaveOneOut:
    """Classify every support image by prototypes without it.

    Args:
        features: Support features under one theta, (S, D).
        labels_onehot: (S, N), one 1 a row.
    """
    unit = unit_rows(features)
    labels = labels_onehot.argmax(axis=1)
    sums = labels_onehot.T @ unit
    cosines = unit @ unit_rows(sums).T
    without_self = unit_rows(sums[labels] - unit)
    cosines[np.arange(len(unit)), labels] = (unit * without_self).sum(axis=1)
    kept = labels_onehot.sum(axis=0)[labels] > 1
    return LeaveOneOut(cosines[kept], labels[kept])


def choose_candidate(losses: Sequence[float | None], penalties: Sequence[float]) -> int | None:
    """Pick the candidate with the least penalised loss; None when there was nothing to leave out.

    Args:
        losses: Leave-one-out loss under each candidate.
        penalties: Added to each loss.
    """
    totals = [loss + penalty for loss, penalty in zip(losses, penalties, strict=True) if loss is not None]
    return min(range(len(totals)), key=totals.__getitem__) if len(totals) == len(losses) else None
