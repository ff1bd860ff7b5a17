"""Theta after each Euler step."""

from __future__ import annotations

import torch

from hyperflow.model import HyperFlow

__all__ = ["euler_states"]


def euler_states(
    model: HyperFlow, base: torch.Tensor, labels_onehot: torch.Tensor, step_size: float
) -> list[torch.Tensor]:
    """Adapt, and keep every state on the way.

    Args:
        model: Its drift is followed.
        base: Whatever `model.encode` gave for the support.
        labels_onehot: (S, N), one 1 a row.
        step_size: Euler step size h.

    Returns:
        Theta after 0..K steps, each (P,); the first equals `theta_0`.
    """
    path = model.follow(base, labels_onehot, torch.tensor(step_size))
    return [model.theta_of(change[0]) for change in path.states]
