"""How often a camera's frames are answered, so that the rest of the machine keeps its share."""

from __future__ import annotations

import math

__all__ = ["FrameBudget"]

_MEMORY = 0.8  # share of the running mean that stays with each new duration
_MOST_SKIPPED = 300


class FrameBudget:
    """A time for each frame of the camera: work that takes n times as long is done for every n-th frame only."""

    def __init__(self, budget_ms: float | None) -> None:
        """Set the budget.

        Args:
            budget_ms: Work for each captured frame, milliseconds above 0; None for as much as there is.

        Raises:
            ValueError: Not above 0.
        """
        if budget_ms is not None and not budget_ms > 0:
            raise ValueError(f"budget_ms must be above 0, got {budget_ms!r:.80}")
        self._budget_ms = budget_ms
        self._mean_ms: float | None = None

    def spend(self, duration_ms: float) -> int:
        """Account for one answer.

        Args:
            duration_ms: What it took.

        Returns:
            How many of the next frames to leave out.
        """
        if self._budget_ms is None:
            return 0
        mean_ms = duration_ms if self._mean_ms is None else self._mean_ms
        self._mean_ms = _MEMORY * mean_ms + (1 - _MEMORY) * duration_ms
        return min(max(math.ceil(self._mean_ms / self._budget_ms) - 1, 0), _MOST_SKIPPED)
