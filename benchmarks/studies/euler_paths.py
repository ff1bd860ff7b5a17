"""How accuracy and query loss change along Euler paths of several numbers of steps, and over the step size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import msgspec
import torch
from paired import Paired, paired
from torch.nn import functional

from hyperflow.adapted.prototypes import cosine_scores, prototypes_of
from hyperflow.evaluation.euler_states import euler_states
from hyperflow.evaluation.image_batches import encode_in_batches
from hyperflow.model import HyperFlow
from hyperflow.teacher.descent import TaskBatch

__all__ = ["EulerPaths", "PathPoint", "StepSizePoint", "kept_states", "states_of"]


class PathPoint(msgspec.Struct, frozen=True):
    """After k of K steps.

    Attributes:
        k: Steps done.
        share: k / K.
        gain: Paired difference in accuracy to direct transfer, in points; None where something was not finite.
        loss_change: Paired difference in query cross-entropy, in nats; below 0 is better.
    """

    k: int
    share: float
    gain: Paired | None
    loss_change: Paired | None


class StepSizePoint(msgspec.Struct, frozen=True):
    """After all configured steps of one size.

    Attributes:
        h: Step size.
        gain: As in `PathPoint`.
        loss_change: As in `PathPoint`.
    """

    h: float
    gain: Paired | None
    loss_change: Paired | None


class _Score(NamedTuple):
    accuracy: float | None
    loss: float | None


_Key = tuple[str, float, int]  # "path", K, k or "h", h, 0
_DIRECT: _Key = ("h", 0.0, 0)


def kept_states(n_steps: int, most: int) -> list[int]:
    """Numbers of steps, 0 and `n_steps` among them, at most `most` + 1 and evenly spread."""
    n_parts = min(n_steps, most)
    return sorted({round(part * n_steps / n_parts) for part in range(n_parts + 1)})


@contextmanager
def _steps(model: HyperFlow, n_steps: int) -> Iterator[None]:
    config = model.config
    model.config = msgspec.structs.replace(config, n_steps=n_steps)
    try:
        yield
    finally:
        model.config = config


def states_of(
    model: HyperFlow, base: torch.Tensor, labels_onehot: torch.Tensor, *, step_size: float, n_steps: int
) -> list[torch.Tensor]:
    """Theta along a path of `n_steps` steps that is as long as the configured steps of `step_size` together.

    Args:
        model: Its drift is followed.
        base: Whatever `model.encode` gave for the support.
        labels_onehot: (S, N), one 1 a row.
        step_size: Of one of the configured steps.
        n_steps: Number of steps instead.

    Returns:
        Theta after 0..n_steps steps, each (P,); the last is that of `model.adapt(..., n_steps=n_steps)`.
    """
    scaled = step_size * (model.config.n_steps / n_steps)
    with _steps(model, n_steps):
        return euler_states(model, base, labels_onehot, scaled)


class EulerPaths:
    """Collects episodes."""

    def __init__(
        self, model: HyperFlow, *, step_size: float, step_counts: Sequence[int], step_sizes: Sequence[float], most: int
    ) -> None:
        """Collect nothing yet.

        Args:
            model: In eval mode.
            step_size: Size h of one of the configured steps, which the length of every path follows from.
            step_counts: Numbers of steps K.
            step_sizes: Sizes h, each for all configured steps.
            most: States of a path, theta_0 apart, that are evaluated.
        """
        self._model, self._step_size, self._step_counts = model, step_size, tuple(step_counts)
        self._step_sizes, self._most = tuple(step_sizes), most
        self._scores: dict[_Key, defaultdict[str, list[_Score]]] = {}
        self._speeds: dict[int, list[list[float]]] = {n_steps: [] for n_steps in self._step_counts}

    @torch.inference_mode()
    def add(self, set_name: str, batch: TaskBatch) -> None:
        """Score one episode at every point."""
        base = encode_in_batches(self._model, batch.images[: len(batch.labels_onehot)])
        theta_0 = self._model.backbone.theta_0
        direct = self._score(theta_0, batch)
        self._note(_DIRECT, set_name, direct)
        for n_steps in self._step_counts:
            states = states_of(
                self._model, base, batch.labels_onehot, step_size=self._step_size, n_steps=n_steps
            )  # fmt: skip
            self._speeds[n_steps].append(self._lengths(states))
            for k in kept_states(n_steps, self._most):
                self._note(("path", n_steps, k), set_name, self._score(states[k], batch) if k else direct)
        for h in self._step_sizes:
            if h:
                theta = self._model.adapt(base, batch.labels_onehot, torch.tensor(h)).theta
                self._note(("h", h, 0), set_name, self._score(theta, batch))

    def _note(self, key: _Key, set_name: str, score: _Score) -> None:
        self._scores.setdefault(key, defaultdict(list))[set_name].append(score)

    def _score(self, theta: torch.Tensor, batch: TaskBatch) -> _Score:
        n_support = len(batch.labels_onehot)
        features = encode_in_batches(self._model, batch.images, theta)
        if not torch.isfinite(features).all():
            return _Score(None, None)
        cosines = cosine_scores(features[n_support:], prototypes_of(features[:n_support], batch.labels_onehot))
        loss = functional.cross_entropy(self._model.config.device.logit_scale * cosines, batch.query_labels)
        return _Score((cosines.argmax(dim=1) == batch.query_labels).float().mean().item(), loss.item())

    def _lengths(self, states: Sequence[torch.Tensor]) -> list[float]:
        """Length of each step in units, over the share of the path that it is."""
        units, n_steps = self._model.backbone.units, len(states) - 1
        return [float(((after - before) / units).norm()) * n_steps for before, after in pairwise(states)]

    def _differences(self, key: _Key, to: _Key = _DIRECT) -> tuple[Paired | None, Paired | None]:
        scores, baseline = self._scores[key], self._scores[to]
        if any(score.loss is None for of_set in baseline.values() for score in of_set):
            return None, None
        gain = paired(
            {name: [one.accuracy for one in of_set] for name, of_set in scores.items()},
            {name: [one.accuracy or 0.0 for one in of_set] for name, of_set in baseline.items()},
        )
        loss_change = paired(
            {name: [one.loss for one in of_set] for name, of_set in scores.items()},
            {name: [one.loss or 0.0 for one in of_set] for name, of_set in baseline.items()},
            scale=1.0,
        )
        return gain, loss_change

    def paths(self) -> dict[int, list[PathPoint]]:
        """Points of the path of each number of steps."""
        return {
            n_steps: [
                PathPoint(k, k / n_steps, *self._differences(("path", n_steps, k)))
                for k in kept_states(n_steps, self._most)
            ]
            for n_steps in self._step_counts
        }

    def step_sizes(self) -> list[StepSizePoint]:
        """Points over the step size; 0 is always there, the first."""
        return [StepSizePoint(h, *self._differences(("h", h, 0))) for h in sorted({0.0, *self._step_sizes})]

    def speeds(self) -> dict[int, list[float]]:
        """Mean length of each step of each path over all episodes, in units, as if the whole path went on so."""
        return {n_steps: torch.tensor(found).mean(dim=0).tolist() for n_steps, found in self._speeds.items()}

    def loss_rises(self) -> dict[int, Paired | None]:
        """Query loss at the end of each path over that at its best evaluated state, paired, in nats.

        The best state is that of the least mean loss; above 0 means that the path overshoots.
        """
        rises: dict[int, Paired | None] = {}
        for n_steps, points in self.paths().items():
            known = [(point.loss_change.mean.mean, point.k) for point in points if point.loss_change is not None]
            best = min(known)[1] if known else 0
            rises[n_steps] = self._differences(("path", n_steps, n_steps), ("path", n_steps, best))[1]
        return rises
