"""What is asked of a subject, method by method, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALL_METHODS", "METHODS", "TUNING_METHODS", "Answer", "Features", "Frame", "Labels", "Scores", "Task"]

METHODS = ("direct", "adapted", "guarded")
"""theta_0, theta_K at the default step size, and whatever the guard chose."""

TUNING_METHODS = ("subset_tuning", "full_tuning", "linear_probe")
"""Gradient descent on theta, on every weight of the backbone, and on a linear head over frozen features."""

ALL_METHODS = (*METHODS, *TUNING_METHODS)

Frame = NDArray[np.uint8]
Labels = NDArray[np.int64]
Features = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Task:
    """One episode with its images.

    Attributes:
        support: RGB pixels of each support image, (height, width, 3), as the subject's `frame` made them.
        labels: 0..n_way-1 of each support image, (S,).
        queries: RGB pixels of each query image.
        n_way: Number of classes.
        seed: Source of whatever chance a method needs.
        unknown: RGB pixels of images of other classes, to see whether they are told from the queries.
        query_features: The subject's `encode` of the queries, (Q, D), where it is known already.
        unknown_features: The same of `unknown`.
    """

    support: tuple[Frame, ...]
    labels: Labels
    queries: tuple[Frame, ...]
    n_way: int
    seed: int = 0
    unknown: tuple[Frame, ...] = ()
    query_features: Features | None = None
    unknown_features: Features | None = None


class Scores(NamedTuple):
    """How sure a method is of some images.

    Attributes:
        probabilities: Of each class, (B, N), each row adding up to 1.
        cosines: To the nearest prototype, (B,) in -1..1, by which a device says "unknown"; empty for a method that
            decides otherwise.
    """

    probabilities: Features
    cosines: Features


class Answer(NamedTuple):
    """What one method said about the queries of one task.

    Attributes:
        labels: Predicted, (Q,).
        seconds: Adapting alone: from the support images in memory to a classifier; no query in it.
        step_size: Euler step size h that was in force; None for a method without one.
        failed: The method diverged, and the labels and scores are those of `direct`.
        scores: Of the queries; None where a subject gives none.
        unknown: Of the task's unknown images; None where there are none, or for a method with gradients.
        unknown_threshold: Cosine below which a device answers "unknown"; None for a method that has none.
    """

    labels: Labels
    seconds: float
    step_size: float | None = None
    failed: bool = False
    scores: Scores | None = None
    unknown: Scores | None = None
    unknown_threshold: float | None = None
