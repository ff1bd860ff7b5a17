"""What can be evaluated: anything that answers an episode.

A checkpoint is answered here, in torch. A bundle is answered by `hyperflow_export`, which announces itself through the
entry point group `hyperflow.evaluation`, because this package must not know the runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from hyperflow.adapted.guard import choose_candidate, leave_one_out_loss
from hyperflow.adapted.prototypes import cosine_scores, prototypes_of
from hyperflow.checkpoint import CONFIG_NAME, load_checkpoint
from hyperflow.errors import CheckpointError
from hyperflow.images.preprocessing import crop_and_resize, normalise
from hyperflow.model import HyperFlow

__all__ = ["METHODS", "CheckpointSubject", "Subject", "open_subject"]

METHODS = ("direct", "adapted", "guarded")
"""theta_0, theta_K at the default step size, and whatever the guard chose."""

Labels = NDArray[np.int64]


class Subject(Protocol):
    """Answers episodes by every method of `METHODS`."""

    def answer(
        self, support: Sequence[Image.Image], labels: Labels, queries: Sequence[Image.Image], n_way: int
    ) -> Mapping[str, Labels]:
        """Label the queries of one episode.

        Args:
            support: RGB images.
            labels: 0..n_way-1 of each support image.
            queries: RGB images.
            n_way: Number of classes.

        Returns:
            Predicted labels, (Q,), for each method.
        """
        ...


class CheckpointSubject:
    """A torch model as a subject."""

    def __init__(self, model: HyperFlow) -> None:
        """Take a model in eval mode."""
        self._model = model

    def _prepared(self, images: Sequence[Image.Image]) -> torch.Tensor:
        rule = self._model.config.preprocessing
        return normalise(torch.from_numpy(np.stack([crop_and_resize(image, rule) for image in images])), rule)

    @torch.no_grad()
    def answer(
        self, support: Sequence[Image.Image], labels: Labels, queries: Sequence[Image.Image], n_way: int
    ) -> Mapping[str, Labels]:
        """Label the queries of one episode; see `Subject`."""
        model, device = self._model, self._model.config.device
        support_images, query_images = self._prepared(support), self._prepared(queries)
        onehot = functional.one_hot(torch.from_numpy(labels), n_way).float()
        base = model.encode(support_images)
        answers: dict[float, Labels] = {}
        losses: dict[float, float | None] = {}
        for step_size in sorted({*device.candidates, device.step_size}):
            theta, _ = model.adapt(base, onehot, torch.tensor(step_size))
            features = model.encode(support_images, theta)
            cosines = cosine_scores(model.encode(query_images, theta), prototypes_of(features, onehot))
            answers[step_size] = cosines.argmax(dim=1).numpy()
            losses[step_size] = leave_one_out_loss(features, onehot, device.logit_scale)
        picked = choose_candidate([losses[h] for h in device.candidates], device.penalties)
        if picked is None:  # nothing could be left out: fall back as the device does
            nearest = [abs(h - device.step_size) for h in device.candidates]
            picked = nearest.index(min(nearest))
        guarded = device.candidates[picked]
        return {"direct": answers[0.0], "adapted": answers[device.step_size], "guarded": answers[guarded]}


def open_subject(path: Path) -> Subject:
    """Open a checkpoint or a bundle for evaluation.

    Raises:
        CheckpointError: Neither, or a bundle where `hyperflow_export` is not installed.
    """
    if (path / CONFIG_NAME).exists():
        return CheckpointSubject(load_checkpoint(path))
    if (path / "manifest.json").exists():
        for entry_point in entry_points(group="hyperflow.evaluation", name="bundle"):
            subject: Subject = entry_point.load()(path)
            return subject
        raise CheckpointError(
            f"{path} is a bundle; evaluating it needs hyperflow_export: pip install 'hyperflow[export]'"
        )
    raise CheckpointError(f"{path} is neither a checkpoint ({CONFIG_NAME}) nor a bundle (manifest.json)")
