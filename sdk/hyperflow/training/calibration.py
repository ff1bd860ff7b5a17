"""Meta-validation: step size, guard, temperature and the unknown threshold, chosen on sets that no training saw.

No test label has a part in it. What was measured is written beside the run as `calibration.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from torch.nn import functional

from hyperflow.adapted.guard import leave_one_out_logits
from hyperflow.adapted.prototypes import cosine_scores, prototypes_of
from hyperflow.adapted.unknown import threshold_of
from hyperflow.episodes.sampling import episode_rng, sample_episode
from hyperflow.images.packed import PackedSet
from hyperflow.images.preprocessing import normalise
from hyperflow.images.tensors import as_unit_images, shrink
from hyperflow.model import HyperFlow, ModelConfig

__all__ = ["calibrate"]

_GRID = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
_SHOTS = (1, 5)
_N_WAY, _N_UNKNOWN, _N_QUERY = 5, 2, 8
_PENALTIES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
_SCALES = (6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 24.0, 32.0)
_UNKNOWN_KEPT = 0.9  # share of known images that the threshold should let through


@dataclass(frozen=True)
class _Trial:
    """One episode under one step size."""

    cosines: torch.Tensor  # (Q, N) of known queries
    labels: torch.Tensor  # (Q,)
    unknown_best: torch.Tensor  # (U,) best cosine of images of other classes
    left_out: torch.Tensor  # (M, N) leave-one-out cosines of the support
    left_out_labels: torch.Tensor  # (M,)

    @property
    def accuracy(self) -> float:
        return (self.cosines.argmax(dim=1) == self.labels).float().mean().item()

    @property
    def own_cosines(self) -> torch.Tensor:
        """Leave-one-out cosine of each support image to its own class, (M,)."""
        return self.left_out.gather(1, self.left_out_labels[:, None])[:, 0]

    def guard_loss(self, logit_scale: float) -> float:
        return functional.cross_entropy(logit_scale * self.left_out, self.left_out_labels).item()


def _trials(model: HyperFlow, domain: PackedSet, n_shot: int, seed: int, index: int) -> list[_Trial]:
    """Run one episode, with two further classes as unknowns, under every step size of the grid."""
    rng = episode_rng(seed, domain.name, index)
    drawn = sample_episode(domain.class_sizes, n_way=_N_WAY + _N_UNKNOWN, n_shot=n_shot, n_query=_N_QUERY, rng=rng)
    known_support, known_query = drawn.support_labels < _N_WAY, drawn.query_labels < _N_WAY
    rows = np.concatenate([drawn.support_rows[known_support], drawn.query_rows])
    rule = model.config.preprocessing
    images = shrink(as_unit_images(domain.images_rgb(rows)), rule.size_px)
    images = normalise(images.permute(0, 2, 3, 1), rule)
    labels_onehot = functional.one_hot(torch.from_numpy(drawn.support_labels[known_support]), _N_WAY).float()
    n_support, is_known = len(labels_onehot), torch.from_numpy(known_query)
    base = model.encode(images)
    trials = []
    for step_size in _GRID:
        theta, _ = model.adapt(base[:n_support], labels_onehot, torch.tensor(step_size))
        features = model.encode(images, theta) if step_size else base
        support, queries = features[:n_support], features[n_support:]
        cosines = cosine_scores(queries, prototypes_of(support, labels_onehot))
        left_out, left_out_labels = leave_one_out_logits(support, labels_onehot, 1.0)
        trials.append(
            _Trial(
                cosines=cosines[is_known],
                labels=torch.from_numpy(drawn.query_labels[known_query]),
                unknown_best=cosines[~is_known].max(dim=1).values,
                left_out=left_out,
                left_out_labels=left_out_labels,
            )
        )
    return trials


def _accuracies(runs: list[list[_Trial]]) -> NDArray[np.float64]:
    """Accuracy of every episode under every step size, (episodes, grid)."""
    return np.array([[trial.accuracy for trial in trials] for trials in runs])


def _fit_penalty(runs: list[list[_Trial]], columns: list[int], logit_scale: float) -> float:
    """Smallest penalty on adapting that gives the best mean accuracy after the guard."""
    losses = np.array([[trials[c].guard_loss(logit_scale) for c in columns] for trials in runs])
    accuracies = _accuracies(runs)[:, columns]
    adapts = np.array([c > 0 for c in columns])

    def guarded(penalty: float) -> float:
        picked = (losses + penalty * adapts).argmin(axis=1)
        return float(accuracies[np.arange(len(runs)), picked].mean())

    return max(_PENALTIES, key=lambda penalty: (guarded(penalty), -penalty))


def _fit_scale(trials: list[_Trial]) -> float:
    """Logit scale with the least cross-entropy on queries."""
    cosines, labels = torch.cat([trial.cosines for trial in trials]), torch.cat([trial.labels for trial in trials])
    return min(_SCALES, key=lambda scale: functional.cross_entropy(scale * cosines, labels).item())


def _fit_unknown(few: list[_Trial], single: list[_Trial]) -> tuple[float, float]:
    """Margin below the support's own cosines, and one-shot floor, that let a fixed share of known images through."""
    deviations = [
        (trial.own_cosines.mean() - trial.cosines.max(dim=1).values) / trial.own_cosines.std().clamp(min=1e-3)
        for trial in few
    ]
    floor = torch.cat([trial.cosines.max(dim=1).values for trial in single]).quantile(1 - _UNKNOWN_KEPT)
    return torch.cat(deviations).quantile(_UNKNOWN_KEPT).item(), floor.item()


def _rejected(trials: list[_Trial], margin: float) -> float:
    """Share of unknown images that fall below their episode's threshold."""
    below = [trial.unknown_best < threshold_of(trial.left_out, trial.left_out_labels, margin) for trial in trials]
    return torch.cat(below).float().mean().item()


@torch.no_grad()
def calibrate(
    model: HyperFlow, domains: list[PackedSet], *, seed: int, out: Path, n_episodes: int = 20, quiet: bool = False
) -> ModelConfig:
    """Choose the device's defaults on sets held out of all training.

    Args:
        model: Trained, in eval mode.
        domains: Meta-validation sets with at least seven classes each.
        seed: Seed of the episodes.
        out: Folder for `calibration.json`.
        n_episodes: Episodes a set and shot count.
        quiet: Show no progress bar.

    Returns:
        The model's configuration with `device` filled in.

    Raises:
        DataError: A set is too small.
    """
    runs: dict[int, list[list[_Trial]]] = {n_shot: [] for n_shot in _SHOTS}
    with Progress(console=Console(stderr=True), disable=quiet) as progress:
        bar = progress.add_task("meta-validation", total=len(domains) * len(_SHOTS) * n_episodes)
        for domain in domains:
            for n_shot in _SHOTS:
                for index in range(n_episodes):
                    runs[n_shot].append(_trials(model, domain, n_shot, seed, index))
                    progress.advance(bar)
    accuracies = {n_shot: _accuracies(trials) for n_shot, trials in runs.items()}
    best = int(np.mean([table.mean(axis=0) for table in accuracies.values()], axis=0).argmax())
    columns = sorted({0, (best + 1) // 2, best})
    chosen = [trials[best] for trials in runs[5]]
    logit_scale = _fit_scale(chosen)
    penalty = _fit_penalty(runs[5], columns, logit_scale)
    margin, floor = _fit_unknown(chosen, [trials[best] for trials in runs[1]])
    device = msgspec.structs.replace(
        model.config.device,
        step_size=_GRID[best],
        candidates=tuple(_GRID[c] for c in columns),
        penalties=tuple(penalty if c else 0.0 for c in columns),
        logit_scale=logit_scale,
        unknown_margin=margin,
        unknown_floor=floor,
    )
    report = {
        "sets": [domain.name for domain in domains],
        "step_sizes": _GRID,
        "accuracy": {str(n_shot): table.mean(axis=0).round(4).tolist() for n_shot, table in accuracies.items()},
        "unknown_rejected": _rejected(chosen, margin),
        "known_accepted": _UNKNOWN_KEPT,
        "device": msgspec.to_builtins(device),
    }
    (out / "calibration.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return msgspec.structs.replace(model.config, device=device)
