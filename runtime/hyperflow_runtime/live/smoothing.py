"""Steady answers from a stream of predictions."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from hyperflow_runtime.results import Prediction

__all__ = ["SmoothedAnswer", "Smoother"]


@dataclass(frozen=True)
class SmoothedAnswer:
    """What a stream of predictions says by now.

    Attributes:
        label: The class, or None for "unknown".
        probability: Smoothed, of the best class among the classes known, in 0..1.
        scores: Smoothed probability of every class, adding up to 1.
        unknown_share: Smoothed share of time that was unknown, in 0..1.
        since_s: When `label` was taken, in the time of `Smoother.update`.
        changed: Whether this very update changed the label, or was the first.
    """

    label: str | None
    probability: float
    scores: Mapping[str, float]
    unknown_share: float
    since_s: float
    changed: bool


class Smoother:
    """Exponential smoothing in time, and a label that changes only when another one has lasted.

    Any thread may reset what another one feeds.

    Example:
        >>> smoother = Smoother(half_life_s=0.25, hold_s=0.2)
        >>> answer = smoother.update(session.predict(frame), time.monotonic())  # doctest: +SKIP
    """

    def __init__(self, *, half_life_s: float = 0.15, hold_s: float = 0.1) -> None:
        """Start without a label.

        Args:
            half_life_s: After this time an old prediction counts half, 0..60 seconds; 0 takes each as it is.
            hold_s: Another label must lead for this long before it is taken, 0..60 seconds.

        Raises:
            ValueError: A time is out of its range.
        """
        for name, value in (("half_life_s", half_life_s), ("hold_s", hold_s)):
            if not 0 <= value <= 60:
                raise ValueError(f"{name} must be 0..60 seconds, got {value!r:.80}")
        self._half_life_s, self._hold_s = half_life_s, hold_s
        self._lock = threading.Lock()
        self.reset()

    def another(self) -> Smoother:
        """A new one with the same times, for a second stream of predictions."""
        return Smoother(half_life_s=self._half_life_s, hold_s=self._hold_s)

    def reset(self) -> None:
        """Forget everything, as after a change of the scene or of the classes."""
        with self._lock:
            self._scores: dict[str, float] = {}
            self._unknown_share = 0.0
            self._last_s: float | None = None
            self._label: str | None = None
            self._since_s = 0.0
            self._rival: str | None = None
            self._rival_since_s: float | None = None

    def update(self, prediction: Prediction, at_s: float) -> SmoothedAnswer:
        """Take in one prediction.

        Args:
            prediction: Its classes may be others than before: new ones enter with their score, old ones leave.
            at_s: When its frame was captured, in seconds of any clock that does not go back.
        """
        with self._lock:
            is_first = self._last_s is None
            self._mix(prediction, self._weight(at_s))
            self._last_s = at_s
            best = max(self._scores, key=self._scores.__getitem__)
            changed = self._settle(None if self._unknown_share > 0.5 else best, at_s, is_first)
            return SmoothedAnswer(
                self._label, self._scores[best], dict(self._scores), self._unknown_share, self._since_s, changed
            )

    def _weight(self, at_s: float) -> float:
        """Weight of a prediction against all before it."""
        if self._last_s is None or self._half_life_s == 0:
            return 1.0
        elapsed_s = max(at_s - self._last_s, 0.0)
        return float(1.0 - 0.5 ** (elapsed_s / self._half_life_s))

    def _mix(self, prediction: Prediction, weight: float) -> None:
        mixed = {
            label: self._scores.get(label, score) * (1 - weight) + score * weight
            for label, score in prediction.scores.items()
        }
        total = sum(mixed.values())
        self._scores = {label: score / total for label, score in mixed.items()} if total > 0 else mixed
        self._unknown_share += weight * ((prediction.label is None) - self._unknown_share)

    def _settle(self, leader: str | None, at_s: float, is_first: bool) -> bool:
        is_gone = self._label is not None and self._label not in self._scores
        if leader == self._label and not is_first:
            self._rival_since_s = None
            return False
        if leader != self._rival or self._rival_since_s is None:
            self._rival, self._rival_since_s = leader, at_s
        if not (is_first or is_gone) and at_s - self._rival_since_s < self._hold_s:
            return False
        self._label, self._since_s, self._rival_since_s = leader, at_s, None
        return True
