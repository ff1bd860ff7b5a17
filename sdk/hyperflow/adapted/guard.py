"""The guard: the support alone chooses the step size, and doing nothing is always a candidate.

A wrong adaptation must not be worse than none. Each candidate theta is judged by the leave-one-out loss of the
prototype classifier on the support. `hyperflow_runtime.guard` is the same in numpy; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

__all__ = ["choose_candidate", "leave_one_out_logits", "leave_one_out_loss"]


def leave_one_out_logits(
    features: torch.Tensor, labels_onehot: torch.Tensor, logit_scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Classify every support image by prototypes that have not seen it.

    Args:
        features: Support features under one theta, (S, D).
        labels_onehot: (S, N), one 1 a row.
        logit_scale: Factor from cosine to logit.

    Returns:
        Logits, (M, N), and labels, (M,), of the M images whose class has another image.
    """
    unit = functional.normalize(features, dim=1)
    labels = labels_onehot.argmax(dim=1)
    sums = labels_onehot.T @ unit
    cosines = unit @ functional.normalize(sums, dim=1).T
    without_self = functional.normalize(sums[labels] - unit, dim=1)
    rows = torch.arange(len(unit))
    cosines[rows, labels] = (unit * without_self).sum(dim=1)
    kept = labels_onehot.sum(dim=0)[labels] > 1
    return logit_scale * cosines[kept], labels[kept]


def leave_one_out_loss(features: torch.Tensor, labels_onehot: torch.Tensor, logit_scale: float) -> float | None:
    """Mean cross-entropy of `leave_one_out_logits`; None when every class has a single image."""
    logits, labels = leave_one_out_logits(features, labels_onehot, logit_scale)
    return functional.cross_entropy(logits, labels).item() if len(labels) else None


def choose_candidate(losses: Sequence[float | None], penalties: Sequence[float]) -> int | None:
    """Pick the candidate with the least penalised loss; None when there was nothing to leave out.

    Args:
        losses: Leave-one-out loss under each candidate.
        penalties: Added to each loss.
    """
    totals = [loss + penalty for loss, penalty in zip(losses, penalties, strict=True) if loss is not None]
    return min(range(len(totals)), key=totals.__getitem__) if len(totals) == len(losses) else None
