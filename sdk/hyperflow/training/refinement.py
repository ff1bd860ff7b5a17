"""Refinement: the drift is trained through the query loss of training episodes.

The K Euler steps are unrolled, the backbone is run at their end, and the gradient flows back into the drift network
alone. The backbone is differentiated here, offline; never on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hyperflow.adapted.prototypes import cosine_scores, prototypes_of
from hyperflow.checkpoint import load_checkpoint, save_checkpoint
from hyperflow.episodes.sampling import sample_episode
from hyperflow.errors import ConfigError, DataError
from hyperflow.images.augmentation import random_colour, random_view
from hyperflow.images.domain_shift import random_domain_shift
from hyperflow.images.packed import PackedSet
from hyperflow.images.preprocessing import normalise
from hyperflow.model import HyperFlow
from hyperflow.training.calibration import calibrate
from hyperflow.training.domains import as_unit_images, pack_domains
from hyperflow.training.loop import LoopOptions, one_cycle, run_loop
from hyperflow.training.split import DomainSplit
from hyperflow.training.state import load_optimizer, optimizer_tensors

__all__ = ["TrainConfig", "train"]


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A refinement run.

    Attributes:
        split: Which sets and classes the episodes are drawn from; the same as in pretraining.
        n_steps: Optimiser steps, one episode each.
        ways: Least and most classes of an episode.
        shots: Least and most support images a class.
        n_query: Query images a class.
        max_images: Most images of an episode; ways and shots above it are drawn again.
        learning_rate: Peak of the one-cycle schedule (AdamW).
        weight_decay: Decoupled decay of the drift network's weights.
        change_penalty: Weight of the mean squared change of theta, in units.
        shift_probability: Chance that an episode changes its appearance as one.
        average_decay: Decay of the moving average of weights that is saved, in [0, 1).
        bf16: Run the backbone in bfloat16.
        half_storage: Store the finished checkpoint as fp16, in half the space.
        seed: Seed of everything random.
    """

    split: DomainSplit = msgspec.field(default_factory=DomainSplit)
    n_steps: int = 6000
    ways: tuple[int, int] = (3, 10)
    shots: tuple[int, int] = (1, 8)
    n_query: int = 6
    max_images: int = 90
    learning_rate: float = 3e-4
    weight_decay: float = 0.01
    change_penalty: float = 0.05
    shift_probability: float = 0.5
    average_decay: float = 0.998
    bf16: bool = False
    half_storage: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.ways[0] <= self.ways[1] or not 1 <= self.shots[0] <= self.shots[1]:
            raise ConfigError(f"ways must be 2 or more and shots 1 or more, least first, got {self.ways}, {self.shots}")
        if self.ways[0] * (self.shots[0] + self.n_query) > self.max_images:
            raise ConfigError(f"max_images={self.max_images} is below the smallest episode; raise it or lower n_query")


class _Episodes:
    """Training episodes: a random set, random ways and shots, augmented images, perhaps a new appearance."""

    def __init__(self, domains: list[PackedSet], model: HyperFlow, config: TrainConfig) -> None:
        self._domains, self._rule, self._config = domains, model.config.preprocessing, config
        weights = np.sqrt([len(domain.class_names) for domain in domains])
        self._share = weights / weights.sum()

    def _shape(self, domain: PackedSet, rng: np.random.Generator) -> tuple[int, int]:
        config = self._config
        most_ways = min(config.ways[1], len(domain.class_names))
        if most_ways < config.ways[0]:
            raise DataError(
                f"{domain.name} has {most_ways} classes for refinement, fewer than ways[0]={config.ways[0]}"
            )
        while True:
            n_way = int(rng.integers(config.ways[0], most_ways + 1))
            n_shot = int(rng.integers(config.shots[0], config.shots[1] + 1))
            if n_way * (n_shot + config.n_query) <= config.max_images:
                return n_way, n_shot

    def draw(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Support and query images (S + Q, 3, H, W), one-hot support labels (S, N) and query labels (Q,)."""
        config = self._config
        rng = np.random.default_rng([config.seed, step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        domain = self._domains[int(rng.choice(len(self._domains), p=self._share))]
        n_way, n_shot = self._shape(domain, rng)
        episode = sample_episode(domain.class_sizes, n_way=n_way, n_shot=n_shot, n_query=config.n_query, rng=rng)
        pixels = domain.images_rgb(np.concatenate([episode.support_rows, episode.query_rows]))
        images = random_view(as_unit_images(pixels), self._rule.size_px, generator, min_area=0.6)
        images = random_colour(images, generator, strength=0.2)
        images = random_domain_shift(images, generator, probability=config.shift_probability)
        ready = normalise(images.permute(0, 2, 3, 1), self._rule).contiguous(memory_format=torch.channels_last)
        labels_onehot = functional.one_hot(torch.from_numpy(episode.support_labels), n_way).float()
        return ready, labels_onehot, torch.from_numpy(episode.query_labels)


class _Trainer:
    """Drift network, its moving average and its optimiser."""

    def __init__(self, domains: list[PackedSet], model: HyperFlow, config: TrainConfig) -> None:
        torch.manual_seed(config.seed)
        self._config = config
        self.model = model
        self._drift = nn.ModuleDict({"encoder": model.encoder, "field": model.field}).train()
        self._average = {name: value.clone() for name, value in self._drift.state_dict().items()}
        self._episodes = _Episodes(domains, model, config)
        self._optimizer = torch.optim.AdamW(self._drift.parameters(), weight_decay=config.weight_decay)

    def step(self, index: int) -> dict[str, float]:
        config, model = self._config, self.model
        for group in self._optimizer.param_groups:
            group["lr"] = one_cycle(index, config.n_steps, config.learning_rate)
        images, labels_onehot, query_labels = self._episodes.draw(index)
        n_support = len(labels_onehot)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            with torch.no_grad():
                base = model.encode(images).float()
        theta, _ = model.adapt(base[:n_support], labels_onehot, torch.ones(()))
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            features = model.encode(images, theta)
        logit_scale = model.config.device.logit_scale
        loss, accuracy = _query_loss(features.float(), labels_onehot, query_labels, logit_scale)
        _, direct_accuracy = _query_loss(base, labels_onehot, query_labels, logit_scale)
        change = ((theta - model.backbone.theta_0) / model.backbone.units).square().mean()
        self._optimizer.zero_grad(set_to_none=True)
        (loss + config.change_penalty * change).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._drift.parameters(), 1.0)
        self._optimizer.step()
        self._update_average(index)
        return {"loss": loss.item(), "accuracy": accuracy, "direct": direct_accuracy, "change": change.sqrt().item()}

    def _update_average(self, index: int) -> None:
        decay = min(self._config.average_decay, (index + 1) / (index + 10))
        for name, value in self._drift.state_dict().items():
            self._average[name].lerp_(value, 1 - decay)

    def state(self) -> dict[str, torch.Tensor]:
        averages = {f"average.{name}": value for name, value in self._average.items()}
        # Dropout draws from torch's own generator.
        chance = {"torch_generator": torch.get_rng_state()}
        return {**self._drift.state_dict(), **averages, **optimizer_tensors(self._optimizer), **chance}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._drift.load_state_dict({name: tensors[name] for name in self._average})
        self._average = {name: tensors[f"average.{name}"] for name in self._average}
        load_optimizer(self._optimizer, tensors)
        if "torch_generator" in tensors:
            torch.set_rng_state(tensors["torch_generator"])

    def finished(self) -> HyperFlow:
        """The model with averaged weights, in eval mode."""
        self._drift.load_state_dict(self._average)
        return self.model.eval()


def _query_loss(
    features: torch.Tensor, labels_onehot: torch.Tensor, query_labels: torch.Tensor, logit_scale: float
) -> tuple[torch.Tensor, float]:
    n_support = len(labels_onehot)
    cosines = cosine_scores(features[n_support:], prototypes_of(features[:n_support], labels_onehot))
    accuracy = (cosines.argmax(dim=1) == query_labels).float().mean().item()
    return functional.cross_entropy(logit_scale * cosines, query_labels), accuracy


def train(
    config: TrainConfig,
    checkpoint: Path,
    data: Path,
    out: Path,
    *,
    cache: Path,
    resume: bool = False,
    quiet: bool = False,
) -> Path:
    """Train the drift network of a checkpoint, then choose step size, guard and calibration by meta-validation.

    Args:
        config: The run.
        checkpoint: Pretrained backbone; its drift is where training starts.
        data: Folder of zips or set folders laid out as `CLASS/IMAGE`.
        out: Folder of the run: log, state, and at the end `checkpoint/`.
        cache: Folder for packed images.
        resume: Go on from the state in `out`.
        quiet: Show no progress bar.

    Returns:
        The trained checkpoint.

    Raises:
        CheckpointError: The start cannot be read.
        DataError: Too few images or classes.
        TrainingError: The run cannot start, resume or go on.
    """
    model = load_checkpoint(checkpoint)
    rule = model.config.preprocessing
    domains = pack_domains(data, rule, cache, size_px=round(rule.size_px * 1.125), quiet=quiet)
    parts = config.split.apply(domains)
    if not parts.refinement:
        raise DataError(
            "the split leaves no classes for refinement; lower pretraining_share or name refinement_only sets"
        )
    trainer = _Trainer(parts.refinement, model, config)
    options = LoopOptions(out, config.n_steps, resume=resume, quiet=quiet)
    run_loop(options, step=trainer.step, state=trainer.state, restore=trainer.restore)
    trained = trainer.finished()
    if parts.meta_validation:
        trained.config = calibrate(trained, parts.meta_validation, seed=config.seed, out=out, quiet=quiet)
    save_checkpoint(trained, out / "checkpoint", half=config.half_storage)
    return out / "checkpoint"
