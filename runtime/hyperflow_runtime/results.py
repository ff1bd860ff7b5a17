"""What a session answers: predictions and reports, as plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["AdaptReport", "GuardCandidate", "Prediction"]


@dataclass(frozen=True)
class Prediction:
    """Answer for one frame.

    Attributes:
        label: The class, or None for "unknown".
        probability: Of the best class among the classes known, in 0..1.
        scores: Probability of every class, adding up to 1.
        cosine: Similarity to the best class's prototype, in -1..1.
        unknown_threshold: Cosine below which `label` is None.
        feature: Of the frame, (D,), under the theta that answered.
        timings_ms: Milliseconds of `preprocess`, `encode` and `head`, of the whole batch that the frame was part of.
    """

    label: str | None
    probability: float
    scores: Mapping[str, float]
    cosine: float
    unknown_threshold: float
    feature: NDArray[np.float32] = field(repr=False, compare=False)
    timings_ms: Mapping[str, float] = field(default_factory=dict, repr=False, compare=False)

    @property
    def best(self) -> str:
        """The most probable class, believed or not."""
        return max(self.scores, key=self.scores.__getitem__)


@dataclass(frozen=True)
class GuardCandidate:
    """How one step size did on the support itself.

    Attributes:
        step_size: Euler step size h; 0 is doing nothing.
        leave_one_out_loss: Cross-entropy, None when every class has one shot.
        leave_one_out_accuracy: In 0..1, None likewise.
        chosen: Whether this theta is in force.
    """

    step_size: float
    leave_one_out_loss: float | None
    leave_one_out_accuracy: float | None
    chosen: bool


@dataclass(frozen=True)
class AdaptReport:
    """What `Session.adapt` did.

    Attributes:
        n_shots: Support images of each class.
        step_size: The one in force; 0 means that theta stayed at theta_0.
        guarded: Whether the guard chose it.
        candidates: Every step size that was tried.
        leave_one_out_accuracy: Of the theta in force, in 0..1; None when every class has one shot.
        unknown_threshold: Cosine below which a prediction is "unknown".
        step_norms: Length of each Euler step in units; of the largest candidate.
        timings_ms: Milliseconds of `drift`, `encode`, `guard`, `prototypes` and `total`.
        n_encoded: Images that went through the backbone; base features are never computed again.
        notes: Reasons to trust the result less, empty when there are none.
    """

    n_shots: Mapping[str, int]
    step_size: float
    guarded: bool
    candidates: tuple[GuardCandidate, ...]
    leave_one_out_accuracy: float | None
    unknown_threshold: float
    step_norms: tuple[float, ...]
    timings_ms: Mapping[str, float]
    n_encoded: int
    notes: tuple[str, ...]

    @property
    def low_confidence(self) -> bool:
        """Whether there is a reason to trust the result less; see `notes`."""
        return bool(self.notes)
