"""Cost of what HyperFlow replaces: fine-tuning by gradient in torch, on the same backbone and the same support.

The recipe of Hu et al., "Pushing the Limits of Simple Pipelines for Few-Shot Learning" (arXiv:2204.07305): prototypes
from the clean support, an augmented copy of the same support as queries, cross-entropy at the logit scale, Adam. The
gradient goes through both copies.

The state just before, from which memory counts: the checkpoint is loaded, the support is in memory, and the backbone
has run on one image. The optimiser and its state are made after that.
"""

from __future__ import annotations

from time import perf_counter

import click
import numpy as np
import torch
from costs import Cost, Scope, Task, cost_of, timed
from memory import PeakMemory
from torch import nn

from hyperflow.adapted.prototypes import cosine_scores, prototypes_of
from hyperflow.checkpoint import load_checkpoint
from hyperflow.images.augmentation import random_colour, random_view
from hyperflow.images.preprocessing import normalise
from hyperflow.model import HyperFlow
from hyperflow_runtime.bundle.reader import read_bundle

__all__ = ["measure_finetuning"]

_WARM_UP_STEPS = 2
_LEARNING_RATE = 5e-4


class _FineTuning:
    """Adam on theta alone, or on theta and every other weight of the backbone."""

    def __init__(self, model: HyperFlow, unit_images: torch.Tensor, task: Task, scope: Scope) -> None:
        self._model, self._unit_images = model, unit_images
        self._rule, self._logit_scale = model.config.preprocessing, model.config.device.logit_scale
        self._support = self._preprocessed(unit_images)
        self._labels = torch.arange(task.n_way).repeat_interleave(task.n_shot)
        self._onehot = nn.functional.one_hot(self._labels, task.n_way).float()
        self._generator = torch.Generator().manual_seed(task.seed)
        self._scope = scope
        self.augmentation_seconds = 0.0
        with torch.no_grad():
            model.encode(self._support[:1])

    def _preprocessed(self, unit_images: torch.Tensor) -> torch.Tensor:
        return normalise(unit_images.permute(0, 2, 3, 1), self._rule)

    def start(self) -> None:
        """Make the parameters and the optimiser."""
        backbone = self._model.backbone
        self._theta = nn.Parameter(backbone.theta_0.clone())
        trained: list[torch.Tensor] = [self._theta]
        if self._scope == "full":
            in_theta = {slot.name for slot in backbone.layout.slots}
            for name, parameter in backbone.network.named_parameters():
                if name not in in_theta:
                    trained.append(parameter.requires_grad_(True))
        self._optimizer = torch.optim.Adam(trained, lr=_LEARNING_RATE)

    def step(self) -> None:
        """One step of Adam."""
        start = perf_counter()
        queries = random_colour(random_view(self._unit_images, self._rule.size_px, self._generator), self._generator)
        both = torch.cat([self._support, self._preprocessed(queries)])
        self.augmentation_seconds += perf_counter() - start
        features = self._model.encode(both, self._theta)
        n = len(self._labels)
        cosines = cosine_scores(features[n:], prototypes_of(features[:n], self._onehot))
        loss = nn.functional.cross_entropy(self._logit_scale * cosines, self._labels)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        if not torch.isfinite(loss):
            raise FloatingPointError("the loss of fine-tuning is not finite; is the checkpoint trained?")


def measure_finetuning(task: Task, scope: Scope) -> Cost:
    """Measure `task.n_steps` steps after two steps of warm-up; memory counts from before those two.

    Args:
        task: What to adapt to.
        scope: `affine` trains theta, `full` every weight of the backbone.

    Raises:
        click.ClickException: Bundle and checkpoint do not belong together.
    """
    torch.set_num_threads(task.n_threads)
    pixels = torch.from_numpy(np.load(task.support))
    unit_images = (pixels.float() / 255.0).permute(0, 3, 1, 2).contiguous()
    model = load_checkpoint(task.checkpoint)
    manifest = read_bundle(task.bundle).manifest
    if (manifest.n_parameters, manifest.feature_dim) != (model.backbone.theta_0.numel(), model.backbone.feature_dim):
        raise click.ClickException(f"{task.bundle} was not exported from {task.checkpoint}: their backbones differ")
    tuning = _FineTuning(model, unit_images, task, scope)
    with PeakMemory() as memory:
        tuning.start()
        for _ in range(_WARM_UP_STEPS):
            tuning.step()
        tuning.augmentation_seconds = 0.0
        seconds = sum(timed(tuning.step) for _ in range(task.n_steps))
    name = f"{scope} fine-tuning, {task.n_steps} Adam steps"
    return cost_of(name, memory, memory, [seconds], {"augmentation": tuning.augmentation_seconds * 1e3})
