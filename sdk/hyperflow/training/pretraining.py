"""Pretraining: one backbone, many image sets, one cosine head a set.

Multi-domain classification as a start for few-shot transfer follows Li et al., "Universal Representation Learning from
Multiple Domains for Few-shot Classification" (arXiv:2103.13841); the cosine head, Chen et al. (arXiv:1904.04232).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hyperflow.backbones.build import build_backbone
from hyperflow.checkpoint import save_checkpoint
from hyperflow.datasets.domain_split import DomainSplit
from hyperflow.datasets.packing import PACKED_SCALE, pack_domains
from hyperflow.datasets.split import Split
from hyperflow.errors import ConfigError, DataError
from hyperflow.images.augmentation import random_colour, random_view
from hyperflow.images.domain_shift import random_domain_shift
from hyperflow.images.packed import PackedSet
from hyperflow.images.preprocessing import normalise
from hyperflow.images.tensors import as_unit_images
from hyperflow.model import HyperFlow, ModelConfig
from hyperflow.training.cost import Trained, write_cost
from hyperflow.training.loop import LoopOptions, one_cycle, run_loop
from hyperflow.training.state import load_optimizer, optimizer_tensors

__all__ = ["PretrainConfig", "pretrain"]

_GROUP = 16  # images that share one change of appearance


class PretrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pretraining run.

    Attributes:
        model: What to build; its drift network stays untrained.
        split: Which classes of which sets teach the backbone.
        n_steps: Optimiser steps.
        batch_size: Images a step, a multiple of 16.
        learning_rate: Peak of the one-cycle schedule (AdamW).
        weight_decay: Decoupled decay of every weight.
        label_smoothing: In [0, 1).
        shift_probability: Chance that a group of images changes its appearance as one.
        head_scale: Factor from cosine to logit while pretraining.
        bf16: Run convolutions in bfloat16 (twice as fast where the processor has it).
        seed: Seed of everything random.
    """

    model: ModelConfig = msgspec.field(default_factory=ModelConfig)
    split: DomainSplit = msgspec.field(default_factory=DomainSplit)
    n_steps: int = 6000
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    shift_probability: float = 0.3
    head_scale: float = 16.0
    bf16: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_steps < 1 or self.batch_size < _GROUP or self.batch_size % _GROUP:
            raise ConfigError(f"n_steps must be at least 1 and batch_size a multiple of {_GROUP}, got {self}")


class _CosineHead(nn.Module):
    def __init__(self, feature_dim: int, n_classes: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_classes, feature_dim) * feature_dim**-0.5)
        self.scale = scale

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.scale * functional.normalize(features, dim=1) @ functional.normalize(self.weight, dim=1).T


class _Batches:
    """Batches mixed over domains, a domain's share growing with the square root of its size."""

    def __init__(self, domains: list[PackedSet], config: PretrainConfig) -> None:
        self._domains, self._config = domains, config
        share = np.sqrt([len(domain.labels) for domain in domains])
        self._share = share / share.sum()

    def draw(self, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Images (B, 3, H, W) ready for the network, the domain of each, and its label there."""
        config = self._config
        rng = np.random.default_rng([config.seed, step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        of_domain = rng.choice(len(self._domains), size=config.batch_size, p=self._share)
        rows = [int(rng.integers(len(self._domains[d].labels))) for d in of_domain]
        pixels = np.stack([self._domains[d].images_rgb(np.array(row)) for d, row in zip(of_domain, rows, strict=True)])
        labels = torch.tensor([self._domains[d].labels[row] for d, row in zip(of_domain, rows, strict=True)])
        images = random_view(as_unit_images(pixels), config.model.preprocessing.size_px, generator)
        images = random_colour(images, generator)
        groups = images.chunk(config.batch_size // _GROUP)
        shifted = [random_domain_shift(group, generator, probability=config.shift_probability) for group in groups]
        ready = normalise(torch.cat(shifted).permute(0, 2, 3, 1), config.model.preprocessing)
        return ready.contiguous(memory_format=torch.channels_last), torch.from_numpy(of_domain), labels


class _Trainer:
    """Network, heads and optimiser of one run."""

    def __init__(self, domains: list[PackedSet], config: PretrainConfig) -> None:
        torch.manual_seed(config.seed)
        self._config = config
        network, feature_dim = build_backbone(config.model.backbone)
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._heads = nn.ModuleList(
            _CosineHead(feature_dim, len(domain.class_names), config.head_scale) for domain in domains
        )
        self._whole = nn.ModuleDict({"network": self.network, "heads": self._heads})
        self._batches = _Batches(domains, config)
        self._optimizer = torch.optim.AdamW(self._whole.parameters(), weight_decay=config.weight_decay)

    def step(self, index: int) -> dict[str, float]:
        config = self._config
        for group in self._optimizer.param_groups:
            group["lr"] = one_cycle(index, config.n_steps, config.learning_rate)
        images, of_domain, labels = self._batches.draw(index)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            features = self.network(images)
        features = features.float()
        loss, n_correct = torch.zeros(()), 0
        for domain in np.unique(of_domain.numpy()).tolist():
            mine = of_domain == domain
            logits = self._heads[domain](features[mine])
            loss = loss + functional.cross_entropy(
                logits, labels[mine], label_smoothing=config.label_smoothing, reduction="sum"
            )
            n_correct += int((logits.argmax(dim=1) == labels[mine]).sum())
        loss = loss / len(labels)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._whole.parameters(), 5.0)
        self._optimizer.step()
        return {"loss": loss.item(), "accuracy": n_correct / len(labels)}

    def state(self) -> dict[str, torch.Tensor]:
        return {**self._whole.state_dict(), **optimizer_tensors(self._optimizer)}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._whole.load_state_dict({name: tensors[name] for name in self._whole.state_dict()})
        load_optimizer(self._optimizer, tensors)


def pretrain(
    config: PretrainConfig, data: Path, out: Path, *, cache: Path, split: Split | None = None, resume: bool = False,
    quiet: bool = False,
) -> Trained:  # fmt: skip
    """Train a backbone from scratch on the sets below `data` that the split gives to it.

    Args:
        config: The run.
        data: Image sets in any layout of `hyperflow.datasets`.
        out: Folder of the run: log, state, and at the end `checkpoint/`.
        cache: Folder for packed images.
        split: Classes to take, of datasets that are divided.
        resume: Go on from the state in `out`.
        quiet: Show no progress bar.

    Returns:
        Where the checkpoint is, with a trained backbone and an untrained drift, and what it cost.

    Raises:
        DataError: Nothing to train on, or an image that cannot be decoded.
        TrainingError: The run cannot start, resume or go on.
    """
    rule = config.model.preprocessing
    domains = pack_domains(data, rule, cache, size_px=round(rule.size_px * PACKED_SCALE), split=split, quiet=quiet)
    parts = config.split.apply(domains)
    if not parts.pretraining:
        raise DataError("no set is left for pretraining; name fewer sets in refinement_only and meta_validation")
    trainer = _Trainer(parts.pretraining, config)
    options = LoopOptions(out, config.n_steps, resume=resume, quiet=quiet)
    spent = run_loop(options, step=trainer.step, state=trainer.state, restore=trainer.restore)
    checkpoint = out / "checkpoint"
    save_checkpoint(HyperFlow(config.model, trainer.network), checkpoint)
    return Trained(checkpoint, write_cost(out, spent))
