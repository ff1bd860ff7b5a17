"""What is asked of a subject, method by method, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALL_METHODS", "METHODS", "TUNING_METHODS", "Answer", "Frame", "Labels", "Task"]

METHODS = ("direct", "adapted", "guarded")
"""theta_0, theta_K at the default step size, and whatever the guard chose."""

TUNING_METHODS = ("subset_tuning", "full_tuning", "linear_probe")
"""Gradient descent on theta, on every weight of the backbone, and on a linear head over frozen features."""

ALL_METHODS = (*METHODS, *TUNING_METHODS)

Frame = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Task:
    """One episode with its images.

    Attributes:
        support: RGB pixels of each support image, (height, width, 3), as the subject's `frame` made them.
        labels: 0..n_way-1 of each support image, (S,).
        queries: RGB pixels of each query image.
        n_way: Number of classes.
        seed: Source of whatever chance a method needs.
    """

    support: tuple[Frame, ...]
    labels: Labels
    queries: tuple[Frame, ...]
    n_way: int
    seed: int = 0


class Answer(NamedTuple):
    """What one method said about the queries of one task.

    Attributes:
        labels: Predicted, (Q,).
        seconds: Adapting alone: from the support images in memory to a classifier; no query in it.
        step_size: Euler step size h that was in force; None for a method without one.
        failed: The method diverged, and the labels are those of `direct`.
    """

    labels: Labels
    seconds: float
    step_size: float | None = None
    failed: bool = False
