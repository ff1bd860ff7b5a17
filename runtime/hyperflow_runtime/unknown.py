"""When an image is like none of the classes: a threshold on the cosine, taken from the support itself."""

from __future__ import annotations

from hyperflow_runtime.bundle.manifest import Head
from hyperflow_runtime.guard import LeaveOneOut

__all__ = ["MIN_LEFT_OUT", "unknown_threshold"]

MIN_LEFT_OUT = 4
"""Fewer left-out images than this say too little about the spread of a class."""

_SHARE_OF_GAP = 0.3
"""The threshold lies at most this far from the cosine to the own class towards the cosine to the nearest other one.

Shots taken one right after the other are near copies: their spread says nothing of the views to come, and a threshold
by the spread alone would call most of these unknown. Chosen on training sets.
"""


def unknown_threshold(left_out: LeaveOneOut, head: Head) -> float:
    """Cosine below which the best class is not believed.

    The support's own leave-one-out cosines tell how near a known image comes to its class; the threshold lies a
    margin, calibrated by meta-validation, below their mean, and never further up than a share of the gap to the nearest
    other class. It needs no further data.

    Args:
        left_out: Leave-one-out cosines under the chosen theta.
        head: Margin, and the floor when there is too little to leave out.

    Returns:
        Threshold in -1..1.
    """
    own = left_out.own_cosines
    if len(own) < MIN_LEFT_OUT:
        return head.unknown_floor
    mean = float(own.mean())
    by_spread = mean - head.unknown_margin * max(float(own.std(ddof=1)), 1e-3)
    gap = mean - float(left_out.nearest_other_cosines.mean())
    return min(by_spread, mean - _SHARE_OF_GAP * max(gap, 0.0))
