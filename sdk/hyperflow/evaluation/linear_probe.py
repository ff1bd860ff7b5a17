"""A linear head on frozen features, the plainest way to learn from a support set with gradients."""

from __future__ import annotations

import torch
from torch.nn import functional

from hyperflow.evaluation.recipes import LinearProbe

__all__ = ["LinearHead", "fit_linear_head"]


class LinearHead:
    """Logits of features: weights (N, D) and bias (N,) on unit length."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Take a fitted head."""
        self._weight, self._bias = weight, bias

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """Logits of features (Q, D), (Q, N)."""
        return functional.linear(functional.normalize(features, dim=1), self._weight, self._bias)


def fit_linear_head(features: torch.Tensor, labels_onehot: torch.Tensor, recipe: LinearProbe) -> LinearHead:
    """Fit by L-BFGS from zero; the problem is convex, so no chance is involved.

    Args:
        features: Of the support at theta_0, (S, D).
        labels_onehot: (S, N), one 1 a row.
        recipe: Penalty and iterations.
    """
    with torch.inference_mode(False), torch.enable_grad():
        unit = functional.normalize(features.clone(), dim=1)
        labels = labels_onehot.argmax(dim=1)
        weight = torch.zeros(labels_onehot.shape[1], unit.shape[1], device=unit.device, requires_grad=True)
        bias = torch.zeros(labels_onehot.shape[1], device=unit.device, requires_grad=True)
        optimizer = torch.optim.LBFGS(
            [weight, bias], max_iter=recipe.n_iterations, tolerance_grad=1e-5, line_search_fn="strong_wolfe"
        )

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = functional.cross_entropy(functional.linear(unit, weight, bias), labels, reduction="sum")
            loss = loss + weight.square().sum() / (2 * recipe.inverse_penalty)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return LinearHead(weight.detach(), bias.detach())
