"""Flow matching: the field is regressed on the velocity of stored fine-tuning trajectories.

HyperFlow (arXiv:2504.15323): at a random time t of a trajectory, the field sees the position, t and a few-shot support
of the same classes, and should say the velocity. No backbone is differentiated, so a step costs milliseconds.
"""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from torch.nn import functional

from hyperflow.errors import ConfigError, DataError
from hyperflow.images.packed import PackedSet
from hyperflow.teacher.interpolation import Interpolation, interpolate
from hyperflow.training.drift_weights import DriftWeights
from hyperflow.training.feature_bank import FeatureBank
from hyperflow.training.loop import one_cycle
from hyperflow.training.workers import Workers
from hyperflow.trajectories.store import TrajectoryStore

__all__ = ["FlowMatching", "FlowMatchingStage"]


_N_MEASURED = 64  # trajectories from which the mean speed is taken


class FlowMatching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to match the flow.

    Attributes:
        objective: How positions and velocities between the stored points are found.
        n_steps: Optimiser steps.
        learning_rate: Peak of the one-cycle schedule (AdamW).
        tasks_per_step: Trajectories a step (and worker).
        times_per_task: Times of each; they share one look at the support.
        shots: Least and most support images a class that the field sees.
        held_back: Share of the trajectories that are not trained on but used for *recon*, in [0, 1).

    Raises:
        ConfigError: A count or a share that cannot work.
    """

    objective: Interpolation = "cubic"
    n_steps: int = 5000
    learning_rate: float = 3e-4
    tasks_per_step: int = 8
    times_per_task: int = 16
    shots: tuple[int, int] = (1, 8)
    held_back: float = 0.1

    def __post_init__(self) -> None:
        if min(self.n_steps, self.tasks_per_step, self.times_per_task) < 1 or self.learning_rate <= 0:
            raise ConfigError(f"counts must be 1 or more and learning_rate above 0, got {self}")
        if not 1 <= self.shots[0] <= self.shots[1] or not 0.0 <= self.held_back < 1.0:
            raise ConfigError(f"shots must be 1 or more, least first, and held_back in [0, 1), got {self}")


class FlowMatchingStage:
    """Steps of a flow matching."""

    def __init__(
        self, weights: DriftWeights, domains: list[PackedSet], store: TrajectoryStore, config: FlowMatching,
        workers: Workers, *, seed: int,
    ) -> None:  # fmt: skip
        """Divide the trajectories and measure their speed.

        Args:
            weights: What is trained.
            domains: Sets that hold the trajectories' classes.
            store: Trajectories of the same backbone.
            config: How.
            workers: This process's place among the others.
            seed: The run's seed.

        Raises:
            DataError: A trajectory's set or class is not among `domains`, or too few trajectories.
        """
        self._weights, self._store, self._config, self._workers, self._seed = weights, store, config, workers, seed
        self._domains = {domain.name: domain for domain in domains}
        self._bank = FeatureBank(weights.model)
        order = np.random.default_rng(seed).permutation(len(store))
        n_held_back = int(len(store) * config.held_back)
        self._held_back, self._trained = order[:n_held_back], order[n_held_back:]
        if len(self._trained) == 0:
            raise DataError("the trajectory store is empty; run hyperflow simulate first")
        self._speed = self._mean_squared_speed()

    def _mean_squared_speed(self) -> torch.Tensor:
        """What a field that stands still misses, on average; the unit of the error."""
        times = torch.linspace(0, 1, 16)
        velocities = [
            interpolate(self._config.objective, self._store.trajectory(index), times).velocity.square().mean()
            for index in self._trained[:_N_MEASURED].tolist()
        ]
        return torch.stack(velocities).mean().clamp(min=1e-12).to(self._workers.device)

    def _ends(self, index: int) -> torch.Tensor:
        return self._store.trajectory(index).points[[0, -1]].to(self._workers.device)

    def _support(self, index: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of a fresh few-shot support of a trajectory's classes, and its one-hot labels."""
        task = self._store.task(index)
        domain = self._domains.get(task.set_name)
        if domain is None or (missing := sorted(set(task.class_names) - set(domain.class_names))):
            lacking = task.set_name if domain is None else f"{task.set_name}/{missing[0]}"
            raise DataError(f"the trajectories were made on {lacking}, which is not in the data; name the same data")
        n_shot = int(rng.integers(self._config.shots[0], self._config.shots[1] + 1))
        first_rows = np.concatenate([[0], np.cumsum(domain.class_sizes)])
        rows, labels = [], []
        for label, class_name in enumerate(task.class_names):
            c = domain.class_names.index(class_name)
            chosen = rng.choice(domain.class_sizes[c], size=min(n_shot, domain.class_sizes[c]), replace=False)
            rows.append(first_rows[c] + chosen)
            labels += [label] * len(chosen)
        onehot = functional.one_hot(torch.tensor(labels), len(task.class_names)).float()
        return self._bank.features(domain, np.concatenate(rows)), onehot.to(self._workers.device)

    def _task_loss(self, index: int, rng: np.random.Generator, times: torch.Tensor) -> torch.Tensor:
        """Squared error of the velocity at some times, as a share of the trajectories' mean squared speed."""
        model = self._weights.model
        trajectory = self._store.trajectory(index)
        points, when = (part.to(self._workers.device) for part in trajectory)
        position, velocity = interpolate(self._config.objective, type(trajectory)(points, when), times)
        summary = model.summarise(*self._support(index, rng))
        # The field speaks of one Euler step at h = 1, which is 1/K of the time.
        predicted = model.field(position, times[:, None], summary) * model.config.n_steps
        error: torch.Tensor = (predicted - velocity).square().mean() / self._speed
        return error

    def step(self, index: int) -> dict[str, float]:
        """Do step `index` and return the relative squared error: 1 for a field that stands still."""
        config, workers = self._config, self._workers
        number = index * workers.size + workers.rank
        torch.manual_seed(self._seed * 1_000_003 + number)  # dropout draws from torch's own generator
        rng = np.random.default_rng([self._seed, 1, number])
        tasks = rng.choice(self._trained, size=config.tasks_per_step)
        losses = []
        for task in tasks.tolist():
            times = torch.from_numpy(rng.random(config.times_per_task)).float().to(workers.device)
            losses.append(self._task_loss(task, rng, times))
        loss = torch.stack(losses).mean()
        gradient = self._weights.update(loss, one_cycle(index, config.n_steps, config.learning_rate))
        return {"velocity_error": loss.item(), "gradient": gradient}

    @torch.no_grad()
    def recon_error(self) -> float | None:
        """How far the Euler steps end from the end of held-back trajectories, started at their noisy start.

        Returns:
            Squared distance left, as a share of the squared distance from start to end; None when none is held back.
        """
        left, whole = 0.0, 0.0
        model = self._weights.model
        for index in self._held_back[:64].tolist():
            rng = np.random.default_rng([self._seed, 2, index])
            start, end = self._ends(index)
            features, onehot = self._support(index, rng)
            adapted = model.adapt(features, onehot, torch.ones((), device=start.device), start=start)
            change = (adapted.theta - model.backbone.theta_0) / model.backbone.units
            left += float((change - end).square().mean())
            whole += float((start - end).square().mean())
        return left / whole if whole else None
