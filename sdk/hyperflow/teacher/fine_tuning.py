"""Fine-tuning on the support alone, as it would run where a task arrives: the baseline, and the plain teacher.

Hu et al., "Pushing the Limits of Simple Pipelines for Few-Shot Learning" (arXiv:2204.07305): prototypes from the clean
support, a changed copy of the same support as queries, Adam on the cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import torch

from hyperflow.errors import ConfigError
from hyperflow.model import HyperFlow
from hyperflow.teacher.augmentation import pseudo_query
from hyperflow.teacher.descent import StepReport, TaskBatch, descend
from hyperflow.teacher.tunable import Tunable, TunedParameters, tunable_of

__all__ = ["FineTuned", "FineTuning", "fine_tune"]


class FineTuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to fine-tune.

    Attributes:
        parameters: `subset`: theta alone; `all`: every weight of the backbone.
        n_steps: Adam steps; 0 does nothing.
        learning_rate: Of Adam. For `subset` in units of the backbone, (theta - theta_0) / units, so that one rate means
            the same relative change in every layer; for `all` the plain rate on the weights. 0 does nothing.
        augmentation: Chance that a step's copy of the support is changed, in [0, 1].
        logit_scale: Factor from cosine to logit; the model's own when None.

    Raises:
        ConfigError: A value out of its range.
    """

    parameters: TunedParameters = "subset"
    n_steps: int = 25
    learning_rate: float = 3e-3
    augmentation: float = 0.9
    logit_scale: float | None = None

    def __post_init__(self) -> None:
        if self.n_steps < 0 or self.learning_rate < 0:
            raise ConfigError(f"n_steps and learning_rate must be at least 0, got {self.n_steps}, {self.learning_rate}")
        if not 0.0 <= self.augmentation <= 1.0:
            raise ConfigError(f"augmentation must be in [0, 1], got {self.augmentation}")
        if self.logit_scale is not None and self.logit_scale <= 0:
            raise ConfigError(f"logit_scale must be above 0, got {self.logit_scale}")


@dataclass(frozen=True)
class FineTuned:
    """A tuned backbone; the model it came from is as it was.

    Attributes:
        theta: Tuned values: theta (P,) for `subset`, all weights in one vector for `all`.
        checkpoints: The same after some numbers of steps.
        reports: Loss and accuracy on the changed copies, one a step.
    """

    theta: torch.Tensor
    checkpoints: dict[int, torch.Tensor]
    reports: tuple[StepReport, ...]
    _tunable: Tunable = field(repr=False)

    @torch.no_grad()
    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Features of preprocessed images (B, 3, H, W) after tuning; (B, D)."""
        return self._tunable.encode(images, self.theta)

    def at(self, step: int) -> FineTuned:
        """The same tuning, stopped after `step` steps, one of `checkpoints`."""
        return FineTuned(self.checkpoints[step], {step: self.checkpoints[step]}, self.reports[:step], self._tunable)


def fine_tune(
    model: HyperFlow,
    support: torch.Tensor,
    labels_onehot: torch.Tensor,
    recipe: FineTuning,
    *,
    generator: torch.Generator,
    start: torch.Tensor | None = None,
    checkpoints: Sequence[int] = (),
    on_step: Callable[[StepReport], None] | None = None,
) -> FineTuned:
    """Fine-tune the backbone on a support set. The same generator state gives the same outcome.

    Args:
        model: Not changed.
        support: Preprocessed, (S, 3, H, W).
        labels_onehot: (S, N), one 1 a row.
        recipe: How.
        generator: Source of chance, on the CPU.
        start: Value to start at instead of the model's own, of the form of `FineTuned.theta`.
        checkpoints: Numbers of steps, 0..n_steps, after which to keep the values.
        on_step: Told loss and accuracy of every step.

    Raises:
        TrainingError: A loss or an update that is not finite; names the step.
    """
    tunable = tunable_of(model, recipe.parameters)
    clean = support.detach().contiguous(memory_format=torch.channels_last)
    labels = labels_onehot.argmax(dim=1)

    def draw(step: int) -> TaskBatch:
        changed = pseudo_query(clean, generator, probability=recipe.augmentation)
        images = torch.cat([clean, changed]).contiguous(memory_format=torch.channels_last)
        return TaskBatch(images, labels_onehot, labels)

    descended = descend(
        tunable,
        draw,
        n_steps=recipe.n_steps,
        learning_rate=recipe.learning_rate,
        logit_scale=recipe.logit_scale or model.config.device.logit_scale,
        start=None if start is None else (start - tunable.start) / tunable.units,
        checkpoints=checkpoints,
        on_step=on_step,
    )

    def value(change: torch.Tensor) -> torch.Tensor:
        return tunable.start + change * tunable.units

    kept = {step: value(change) for step, change in descended.checkpoints.items()}
    return FineTuned(value(descended.change), kept, descended.reports, tunable)
