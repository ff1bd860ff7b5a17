"""How a camera in a hand moves and sees: every number follows from a seed and the time of the frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["Pose", "hand_pose", "kept_pose"]


@dataclass(frozen=True)
class Pose:
    """Where the camera is, as a change of the view.

    Attributes:
        right: Shift as a share of the height that is seen; so is `down`.
        down: Likewise.
        zoom: Magnification, about 1.
        turn: Clockwise angle, radians.
        gain: Of brightness, about 1.
    """

    right: float
    down: float
    zoom: float
    turn: float
    gain: float

    def then(self, other: Pose) -> Pose:
        """Return this change followed by another."""
        return Pose(
            self.right + other.right,
            self.down + other.down,
            self.zoom * other.zoom,
            self.turn + other.turn,
            self.gain * other.gain,
        )


# Largest change in each of right, down, log zoom, turn, log gain: by where the camera is held, and by the hand.
_KEPT = (0.04, 0.03, 0.07, 0.06, 0.08)
_HAND = (0.045, 0.035, 0.06, 0.09, 0.04)
_PERIODS_S = (5.3, 2.3, 0.9)
_SHARES = (0.6, 0.3, 0.1)


def _pose(values: list[float]) -> Pose:
    right, down, zoom, turn, gain = values
    return Pose(right, down, math.exp(zoom), turn, math.exp(gain))


def kept_pose(*key: int) -> Pose:
    """Return where the camera is held while one view is shown; `key` tells one such time from another."""
    draws = np.random.default_rng(key).uniform(-1, 1, len(_KEPT))
    return _pose([float(draw) * most for draw, most in zip(draws, _KEPT, strict=True)])


@lru_cache(maxsize=8)
def _phases(seed: int) -> tuple[tuple[float, ...], ...]:
    draws = np.random.default_rng([seed, 0]).uniform(0, 2 * math.pi, (len(_HAND), len(_PERIODS_S)))
    return tuple(tuple(map(float, row)) for row in draws)


def hand_pose(seed: int, at_s: float) -> Pose:
    """Return how far the hand has moved at a time since the start, in seconds; smooth in time."""
    values = []
    for most, phases in zip(_HAND, _phases(seed), strict=True):
        waves = zip(_SHARES, _PERIODS_S, phases, strict=True)
        values.append(
            most * sum(share * math.sin(2 * math.pi * at_s / period + phase) for share, period, phase in waves)
        )
    return _pose(values)
