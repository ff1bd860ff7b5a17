"""Theta after each Euler step. The model gives the last one; the ones before are read off the field as it is asked."""

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
        Theta after 0..K steps, each (P,); the first is `theta_0` itself.
    """
    changes: list[torch.Tensor] = []
    hook = model.field.register_forward_pre_hook(lambda _, arguments: changes.append(arguments[0][0]))
    try:
        last = model.adapt(base, labels_onehot, torch.tensor(step_size)).theta
    finally:
        hook.remove()
    backbone = model.backbone
    between = [backbone.theta_0 + backbone.units * change for change in changes[1:]]
    return [backbone.theta_0, *between, last]
