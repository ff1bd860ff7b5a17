"""An adapted classifier: one theta, one prototype a class, and how to answer with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hyperflow_runtime.backends.protocol import Array
from hyperflow_runtime.prototypes import cosine_scores, softmax
from hyperflow_runtime.results import Prediction

__all__ = ["Classifier"]


@dataclass(frozen=True, eq=False)
class Classifier:
    """What an adaptation leaves behind; immutable, so that threads may share it.

    Attributes:
        labels: Classes, in the order of `prototypes`.
        theta: Adapted parameters, (P,).
        prototypes: Unit length, (N, D).
        step_size: Euler step size that led to theta.
        unknown_threshold: Cosine below which nothing is believed.
        logit_scale: Factor from cosine to logit.
    """

    labels: tuple[str, ...]
    theta: Array
    prototypes: Array
    step_size: float
    unknown_threshold: float
    logit_scale: float

    def predictions(self, features: Array, *, allow_unknown: bool) -> list[Prediction]:
        """Answer for features (Q, D) that were computed under this theta."""
        cosines = cosine_scores(features, self.prototypes)
        probabilities = softmax(np.float32(self.logit_scale) * cosines)
        return [
            self._prediction(*row, allow_unknown=allow_unknown)
            for row in zip(features, cosines, probabilities, strict=True)
        ]

    def _prediction(self, feature: Array, cosines: Array, probabilities: Array, *, allow_unknown: bool) -> Prediction:
        best = int(cosines.argmax())
        is_unknown = allow_unknown and float(cosines[best]) < self.unknown_threshold
        return Prediction(
            label=None if is_unknown else self.labels[best],
            probability=float(probabilities[best]),
            scores=dict(zip(self.labels, probabilities.tolist(), strict=True)),
            cosine=float(cosines[best]),
            unknown_threshold=self.unknown_threshold,
            feature=feature,
        )

    def without_class(self, label: str) -> Classifier | None:
        """The same without one class; None when none would be left."""
        kept = [index for index, name in enumerate(self.labels) if name != label]
        if not kept:
            return None
        return replace(self, labels=self._named(kept), prototypes=self.prototypes[kept])

    def with_renamed_class(self, old: str, new: str) -> Classifier:
        """The same with one class under another name."""
        return self.with_labels({old: new})

    def with_labels(self, new_names: Mapping[str, str]) -> Classifier:
        """The same with several classes under other names, all at once."""
        return replace(self, labels=tuple(new_names.get(name, name) for name in self.labels))

    def _named(self, indices: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.labels[index] for index in indices)
