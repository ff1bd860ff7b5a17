"""Refinement: the drift is trained through the query loss of training episodes.

The K Euler steps are unrolled, the backbone is run at their end, and the gradient flows back into the drift network
alone. The backbone is differentiated here, offline; never on the device.
"""

from __future__ import annotations

import msgspec
import torch
from torch.nn import functional

from hyperflow.adapted.prototypes import query_cosines
from hyperflow.errors import ConfigError
from hyperflow.images.packed import PackedSet
from hyperflow.training.drawn_episodes import EpisodeShape, EpisodeSource
from hyperflow.training.drift_weights import DriftWeights
from hyperflow.training.loop import one_cycle
from hyperflow.training.workers import Workers

__all__ = ["Refinement", "RefinementStage"]


class Refinement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to refine.

    Attributes:
        n_steps: Optimiser steps, one episode each (and worker).
        learning_rate: Peak of the one-cycle schedule (AdamW).
        change_penalty: Weight of the mean squared change of theta, in units.
        episodes: Ways, shots and augmentation.

    Raises:
        ConfigError: Fewer than one step.
    """

    n_steps: int = 6000
    learning_rate: float = 3e-4
    change_penalty: float = 0.05
    episodes: EpisodeShape = msgspec.field(default_factory=EpisodeShape)

    def __post_init__(self) -> None:
        if self.n_steps < 1 or self.learning_rate <= 0:
            raise ConfigError(f"n_steps and learning_rate must be above 0, got {self.n_steps}, {self.learning_rate}")


class RefinementStage:
    """Steps of a refinement."""

    def __init__(
        self, weights: DriftWeights, domains: list[PackedSet], config: Refinement, workers: Workers,
        *, seed: int, bf16: bool,
    ) -> None:  # fmt: skip
        """Prepare the episodes.

        Args:
            weights: What is trained.
            domains: Where episodes come from.
            config: How.
            workers: This process's place among the others.
            seed: The run's seed.
            bf16: Run the backbone in bfloat16.
        """
        self._weights, self._config, self._workers = weights, config, workers
        self._episodes = EpisodeSource(domains, weights.model.config.preprocessing, config.episodes, seed)
        self._seed, self._bf16 = seed, bf16

    def step(self, index: int) -> dict[str, float]:
        """Do step `index` and return loss, accuracies and the length of the change."""
        model, workers = self._weights.model, self._workers
        number = index * workers.size + workers.rank
        torch.manual_seed(self._seed * 1_000_003 + number)  # dropout draws from torch's own generator
        episode = self._episodes.draw(number).to(workers.device)
        n_support = len(episode.labels_onehot)
        autocast = torch.autocast(workers.device.type, torch.bfloat16, enabled=self._bf16)
        with autocast, torch.no_grad():
            base = model.encode(episode.images).float()
        one = torch.ones((), device=workers.device)
        theta, _ = model.adapt(base[:n_support], episode.labels_onehot, one)
        with autocast:
            features = model.encode(episode.images, theta).float()
        logit_scale = model.config.device.logit_scale
        loss, accuracy = _query_loss(features, episode.labels_onehot, episode.query_labels, logit_scale)
        _, direct = _query_loss(base, episode.labels_onehot, episode.query_labels, logit_scale)
        change = ((theta - model.backbone.theta_0) / model.backbone.units).square().mean()
        rate = one_cycle(index, self._config.n_steps, self._config.learning_rate)
        gradient = self._weights.update(loss + self._config.change_penalty * change, rate)
        return {
            "loss": loss.item(),
            "accuracy": accuracy,
            "direct": direct,
            "change": change.sqrt().item(),
            "gradient": gradient,
        }


def _query_loss(
    features: torch.Tensor, labels_onehot: torch.Tensor, query_labels: torch.Tensor, logit_scale: float
) -> tuple[torch.Tensor, float]:
    cosines = query_cosines(features, labels_onehot)
    accuracy = (cosines.argmax(dim=1) == query_labels).float().mean().item()
    return functional.cross_entropy(logit_scale * cosines, query_labels), accuracy
