"""The weights of a drift network under training: their optimiser, their moving average, and the best so far."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from hyperflow.model import HyperFlow
from hyperflow.training.state import load_optimizer, optimizer_tensors
from hyperflow.training.workers import Workers

__all__ = ["DriftWeights"]

_MAX_GRADIENT_NORM = 1.0


class DriftWeights:
    """Support encoder and drift field of a model, being trained; everything else of the model stays frozen."""

    def __init__(self, model: HyperFlow, workers: Workers, *, weight_decay: float, average_decay: float) -> None:
        """Start from the model's present drift.

        Args:
            model: Already on the workers' device.
            workers: Who averages gradients with whom.
            weight_decay: Decoupled decay (AdamW).
            average_decay: Decay of the moving average, in [0, 1).
        """
        self.model = model
        self.drift = nn.ModuleDict({"encoder": model.encoder, "field": model.field}).train()
        self._workers, self._average_decay, self._weight_decay = workers, average_decay, weight_decay
        self._average = {name: value.clone() for name, value in self.drift.state_dict().items()}
        self._best = {name: value.clone() for name, value in self._average.items()}
        self.best_score, self.n_since_best = -math.inf, 0
        self._optimizer = torch.optim.AdamW(self.drift.parameters(), weight_decay=weight_decay)
        self._n_updates = 0

    def update(self, loss: torch.Tensor, learning_rate: float) -> float:
        """Take one optimiser step, with the gradients of all workers, and move the average along.

        Returns:
            Length of the gradient before it was clipped; not finite when the step spoiled the weights.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._workers.average_gradients(self.drift.parameters())
        length = nn.utils.clip_grad_norm_(self.drift.parameters(), _MAX_GRADIENT_NORM)
        self._optimizer.step()
        self._n_updates += 1
        decay = min(self._average_decay, self._n_updates / (self._n_updates + 9))
        for name, value in self.drift.state_dict().items():
            self._average[name].lerp_(value, 1 - decay)
        return float(length.item())

    def use_average(self) -> AveragedDrift:
        """Put the moving average in place, in eval mode, for the time of a `with` block."""
        return AveragedDrift(self)

    def note(self, score: float) -> None:
        """Remember the averaged weights as the best when `score` beats every earlier one."""
        if score > self.best_score:
            self.best_score, self.n_since_best = score, 0
            self._best = {name: value.clone() for name, value in self._average.items()}
        else:
            self.n_since_best += 1

    def end_stage(self) -> None:
        """Put the best weights in place where any were noted, else the average; a next stage starts from these."""
        chosen = self._best if self.best_score > -math.inf else self._average
        self.drift.load_state_dict(chosen)
        self._average = {name: value.clone() for name, value in chosen.items()}
        self.n_since_best, self._n_updates = 0, 0
        self._optimizer = torch.optim.AdamW(self.drift.parameters(), weight_decay=self._weight_decay)

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that `restore` needs."""
        averages = {f"average.{name}": value for name, value in self._average.items()}
        best = {f"best.{name}": value for name, value in self._best.items()}
        counts = torch.tensor([self.best_score, self.n_since_best, self._n_updates], dtype=torch.float64)
        return {
            **self.drift.state_dict(), **averages, **best, **optimizer_tensors(self._optimizer), "counts": counts
        }  # fmt: skip

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put a state back."""
        device = self.model.backbone.theta_0.device
        tensors = {name: tensor.to(device) if name != "counts" else tensor for name, tensor in tensors.items()}
        score, n_since_best, n_updates = tensors["counts"].tolist()
        self.drift.load_state_dict({name: tensors[name] for name in self._average})
        self._average = {name: tensors[f"average.{name}"] for name in self._average}
        self._best = {name: tensors[f"best.{name}"] for name in self._average}
        load_optimizer(self._optimizer, tensors)
        self.best_score, self.n_since_best, self._n_updates = score, int(n_since_best), int(n_updates)


class AveragedDrift:
    """Context in which a drift network holds its averaged weights."""

    def __init__(self, weights: DriftWeights) -> None:
        """Take the weights to swap."""
        self._weights = weights

    def __enter__(self) -> HyperFlow:
        weights = self._weights
        self._training = {name: value.clone() for name, value in weights.drift.state_dict().items()}
        weights.drift.load_state_dict(weights._average)
        return weights.model.eval()

    def __exit__(self, *exception: object) -> None:
        self._weights.drift.load_state_dict(self._training)
        self._weights.drift.train()  # the backbone stays in eval mode
