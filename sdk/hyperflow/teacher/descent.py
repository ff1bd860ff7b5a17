"""Adam on the prototype loss: the loop that every teacher shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch.nn import functional

from hyperflow.adapted.prototypes import query_cosines
from hyperflow.errors import TrainingError
from hyperflow.teacher.tunable import Tunable

__all__ = ["Descended", "StepReport", "TaskBatch", "descend"]

_CHUNK = 256  # images whose activations are held at once


class TaskBatch(NamedTuple):
    """What one step learns from.

    Attributes:
        images: Support, then queries, preprocessed, (S + Q, 3, H, W).
        labels_onehot: Of the support, (S, N).
        query_labels: 0..N-1, (Q,).
    """

    images: torch.Tensor
    labels_onehot: torch.Tensor
    query_labels: torch.Tensor


class StepReport(NamedTuple):
    """Figures of one step, before it moved anything.

    Attributes:
        step: 0..n_steps-1.
        loss: Query cross-entropy.
        accuracy: Share of the queries that were right, 0..1.
    """

    step: int
    loss: float
    accuracy: float


class Descended(NamedTuple):
    """Where a descent led.

    Attributes:
        change: In units, (P,).
        checkpoints: The change after some numbers of steps, each (P,).
        reports: One a step.
    """

    change: torch.Tensor
    checkpoints: dict[int, torch.Tensor]
    reports: tuple[StepReport, ...]


def _head_loss(features: torch.Tensor, batch: TaskBatch, logit_scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    cosines = query_cosines(features, batch.labels_onehot)
    accuracy = (cosines.argmax(dim=1) == batch.query_labels).float().mean()
    return functional.cross_entropy(logit_scale * cosines, batch.query_labels), accuracy


def _backward(tunable: Tunable, change: torch.Tensor, batch: TaskBatch, logit_scale: float) -> tuple[float, float]:
    """Put the gradient of the loss into `change.grad`; returns loss and accuracy.

    A batch above one chunk goes through the backbone twice: once for all features, which the loss needs together, and
    once chunk by chunk with the gradient of each feature known, so that memory does not grow with the support.
    """
    if len(batch.images) <= _CHUNK:
        features = tunable.encode(batch.images, tunable.start + change * tunable.units)
        loss, accuracy = _head_loss(features, batch, logit_scale)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item(), accuracy.item()
    chunks = torch.split(batch.images, _CHUNK)
    with torch.no_grad():
        point = tunable.start + change * tunable.units
        features = torch.cat([tunable.encode(chunk, point) for chunk in chunks])
    features.requires_grad_()
    loss, accuracy = _head_loss(features, batch, logit_scale)
    (gradient,) = torch.autograd.grad(loss, features)
    for chunk, part in zip(chunks, torch.split(gradient, _CHUNK), strict=True):
        tunable.encode(chunk, tunable.start + change * tunable.units).backward(part)  # type: ignore[no-untyped-call]
    return loss.item(), accuracy.item()


def descend(
    tunable: Tunable,
    draw: Callable[[int], TaskBatch],
    *,
    n_steps: int,
    learning_rate: float,
    logit_scale: float,
    start: torch.Tensor | None = None,
    checkpoints: Sequence[int] = (),
    on_step: Callable[[StepReport], None] | None = None,
) -> Descended:
    """Follow Adam(0.9, 0.999) without weight decay (Kingma and Ba, arXiv:1412.6980).

    Adam acts on the change in units, (value - start value) / units, so that one rate means the same relative change in
    every layer: a coordinate moves by about `learning_rate` of its tensor's mean magnitude a step.

    Args:
        tunable: What moves.
        draw: What step number i learns from.
        n_steps: Number of steps; 0 leaves everything where it is.
        learning_rate: In units a step; 0 does nothing at all.
        logit_scale: Factor from cosine to logit.
        start: Change to start at, in units, (P,); nothing when None.
        checkpoints: Numbers of steps, 0..n_steps, after which to keep the change.
        on_step: Told the figures of every step.

    Raises:
        TrainingError: A loss or a change that is not finite; names the step.
    """
    change = torch.zeros_like(tunable.start) if start is None else start.detach().clone()
    if learning_rate == 0:
        return Descended(change, dict.fromkeys(checkpoints, change), ())
    change.requires_grad_()
    optimizer = torch.optim.Adam([change], lr=learning_rate)
    kept: dict[int, torch.Tensor] = {}
    reports = []
    for step in range(n_steps + 1):
        if step in checkpoints:
            kept[step] = change.detach().clone()
        if step == n_steps:
            break
        optimizer.zero_grad(set_to_none=True)
        with torch.enable_grad():
            report = StepReport(step, *_backward(tunable, change, draw(step), logit_scale))
        optimizer.step()
        if not torch.isfinite(torch.tensor(report.loss)) or not torch.isfinite(change).all():
            raise TrainingError(
                f"fine-tuning step {step}: loss {report.loss} or its update is not finite; "
                f"lower the learning rate, now {learning_rate}"
            )
        reports.append(report)
        if on_step is not None:
            on_step(report)
    return Descended(change.detach(), kept, tuple(reports))
