"""Pretraining: one backbone, many image sets, one cosine head a set, and perhaps a trained backbone to learn from.

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
from hyperflow.training.distillation import Distillation, DistillationLoss
from hyperflow.training.loop import LoopOptions, one_cycle, run_loop
from hyperflow.training.network_start import start_from
from hyperflow.training.state import load_optimizer, optimizer_tensors
from hyperflow.training.workers import choose_device

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
        label_weight: Weight of the loss on labels; 0 learns from the teacher of `distillation` alone.
        distillation: Trained backbone to learn from; None learns from labels alone. It needs no labels, so it also sees
            the images that the split keeps for refinement, without theirs.
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
    label_weight: float = 1.0
    distillation: Distillation | None = None
    label_smoothing: float = 0.1
    shift_probability: float = 0.3
    head_scale: float = 16.0
    bf16: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_steps < 1 or self.batch_size < _GROUP or self.batch_size % _GROUP:
            raise ConfigError(f"n_steps must be at least 1 and batch_size a multiple of {_GROUP}, got {self}")
        if self.label_weight < 0 or (self.label_weight == 0 and self.distillation is None):
            raise ConfigError(
                f"label_weight must be above 0, or 0 where there is a distillation, got {self.label_weight}"
            )


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
        """Views (B, 3, H, W) in 0..1, the domain of each, and its label there."""
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
        return torch.cat(shifted), torch.from_numpy(of_domain), labels


class _Trainer:
    """Network, heads and optimiser of one run."""

    def __init__(
        self, labelled: list[PackedSet], unlabelled: list[PackedSet], config: PretrainConfig, device: torch.device,
        start: Path | None,
    ) -> None:  # fmt: skip
        torch.manual_seed(config.seed)
        self._config, self._device, self._n_labelled = config, device, len(labelled)
        network, feature_dim = build_backbone(config.model.backbone)
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._whole = nn.ModuleDict({"network": self.network})
        self._batches = _Batches([*labelled, *unlabelled], config)
        if start is not None:
            start_from(self.network, start)
        if config.label_weight:
            heads = (_CosineHead(feature_dim, len(domain.class_names), config.head_scale) for domain in labelled)
            self._whole["heads"] = nn.ModuleList(heads)
        self._distillation: DistillationLoss | None = None
        if config.distillation is not None:
            self._distillation = DistillationLoss(config.distillation, feature_dim, bf16=config.bf16)
            self._whole["distillation"] = self._distillation
        self._whole.to(device)
        if self._distillation is not None:
            self._distillation.standardise(lambda index: self._batches.draw(index)[0].to(device))
        self._optimizer = torch.optim.AdamW(
            (weight for weight in self._whole.parameters() if weight.requires_grad), weight_decay=config.weight_decay
        )

    @property
    def on_gpu(self) -> bool:
        return self._device.type == "cuda"

    def step(self, index: int) -> dict[str, float]:
        config = self._config
        for group in self._optimizer.param_groups:
            group["lr"] = one_cycle(index, config.n_steps, config.learning_rate)
        views, of_domain, labels = (drawn.to(self._device) for drawn in self._batches.draw(index))
        images = normalise(views.permute(0, 2, 3, 1), config.model.preprocessing)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=config.bf16):
            features = self.network(images.contiguous(memory_format=torch.channels_last))
        features = features.float()
        loss, figures = torch.zeros((), device=self._device), {}
        if config.label_weight:
            of_labels, accuracy = self._label_loss(features, of_domain, labels)
            loss, figures["accuracy"] = loss + config.label_weight * of_labels, accuracy
        if self._distillation is not None and config.distillation is not None:
            distance = self._distillation(features, views)
            loss, figures["distance"] = loss + config.distillation.weight * distance, distance.item()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._whole.parameters(), 5.0)
        self._optimizer.step()
        return {"loss": loss.item(), **figures}

    def _label_loss(
        self, features: torch.Tensor, of_domain: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, float]:
        loss, n_correct = torch.zeros((), device=self._device), 0
        heads = self._whole["heads"]
        has_label = of_domain < self._n_labelled
        for domain in torch.unique(of_domain[has_label]).tolist():
            mine = of_domain == domain
            logits = heads[domain](features[mine])  # type: ignore[index]
            loss = loss + functional.cross_entropy(
                logits, labels[mine], label_smoothing=self._config.label_smoothing, reduction="sum"
            )
            n_correct += int((logits.argmax(dim=1) == labels[mine]).sum())
        n_labels = max(1, int(has_label.sum()))
        return loss / n_labels, n_correct / n_labels

    def state(self) -> dict[str, torch.Tensor]:
        return {**self._whole.state_dict(), **optimizer_tensors(self._optimizer)}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._whole.load_state_dict({name: tensors[name] for name in self._whole.state_dict()})
        load_optimizer(self._optimizer, tensors)


def pretrain(
    config: PretrainConfig, data: Path, out: Path, *, cache: Path, split: Split | None = None,
    start: Path | None = None, device: str = "auto", resume: bool = False, quiet: bool = False,
) -> Trained:  # fmt: skip
    """Train a backbone on the sets below `data` that the split gives to it.

    Args:
        config: The run.
        data: Image sets in any layout of `hyperflow.datasets`.
        out: Folder of the run: log, state, and at the end `checkpoint/`.
        cache: Folder for packed images.
        split: Classes to take, of datasets that are divided.
        start: Folder of an earlier pretraining, perhaps at another size, whose network this one begins with.
        device: `auto`, `cpu` or `cuda`.
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
    labelled = parts.pretraining if config.label_weight else []
    unlabelled = [] if config.distillation is None else parts.refinement
    if not config.label_weight:
        unlabelled = [*parts.pretraining, *unlabelled]
    if not [*labelled, *unlabelled]:
        raise DataError("no set is left for pretraining; name fewer sets in refinement_only and meta_validation")
    trainer = _Trainer(labelled, unlabelled, config, choose_device(device), start)
    options = LoopOptions(out, config.n_steps, resume=resume, quiet=quiet)
    spent = run_loop(options, step=trainer.step, state=trainer.state, restore=trainer.restore)
    checkpoint = out / "checkpoint"
    save_checkpoint(HyperFlow(config.model, trainer.network.cpu()), checkpoint)
    return Trained(checkpoint, write_cost(out, spent, on_gpu=trainer.on_gpu))
