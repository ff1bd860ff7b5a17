"""Explicit Euler integration, the whole of adaptation at test time.

HyperFlow (arXiv:2504.15323): theta <- theta + h v(theta, k/K | S) for k = 0 .. K-1. The step size h is free of K, like
a learning rate. Unrolled by the exporter, the same loop becomes a static graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

__all__ = ["EulerPath", "integrate"]

Velocity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class EulerPath(NamedTuple):
    """Where the steps led.

    Attributes:
        states: Start, and the state after each step; K + 1 of them, each (1, P).
        lengths: Length of each step, (K,).
    """

    states: tuple[torch.Tensor, ...]
    lengths: torch.Tensor


def integrate(velocity: Velocity, start: torch.Tensor, *, n_steps: int, step_size: torch.Tensor) -> EulerPath:
    """Follow a velocity for `n_steps` Euler steps.

    Args:
        velocity: Velocity at (state, t), of the state's shape; t is (1, 1).
        start: State at t = 0, (1, P). Not changed.
        n_steps: Number of steps K, at least 1.
        step_size: Factor h on each velocity, a scalar; 0 leaves the state where it is.

    Raises:
        ValueError: `n_steps` is below 1.
    """
    if n_steps < 1:
        raise ValueError(f"n_steps must be at least 1, got {n_steps}")
    state, states, lengths = start, [start], []
    for k in range(n_steps):
        step = step_size * velocity(state, torch.full((1, 1), k / n_steps, device=start.device))
        lengths.append(step.square().sum().sqrt())
        state = state + step
        states.append(state)
    return EulerPath(tuple(states), torch.stack(lengths))
