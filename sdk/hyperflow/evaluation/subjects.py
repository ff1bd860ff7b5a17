"""What can be evaluated: anything that answers an episode.

A checkpoint is answered here, in torch. A bundle is answered by `hyperflow_export`, which announces itself through the
entry point group `hyperflow.evaluation`, because this package must not know the runtime.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from PIL import Image

from hyperflow.checkpoint import CONFIG_NAME, WEIGHTS_NAME, load_checkpoint
from hyperflow.errors import CheckpointError
from hyperflow.evaluation.checkpoint_subject import CheckpointSubject
from hyperflow.evaluation.methods import Answer, Features, Frame, Task
from hyperflow.evaluation.recipes import Recipes

__all__ = ["CheckpointSubject", "Subject", "open_subject", "subject_digest"]

MANIFEST_NAME = "manifest.json"


class Subject(Protocol):
    """Answers episodes by every method of `methods`."""

    @property
    def methods(self) -> tuple[str, ...]:
        """What it can answer, some of `hyperflow.evaluation.methods.ALL_METHODS`."""
        ...

    def frame(self, image: Image.Image) -> Frame:
        """Pixels of an RGB image as a task holds them, so that they are made once and kept."""
        ...

    def encode(self, frames: Sequence[Frame]) -> Features:
        """Features of frames at theta_0, (B, D), so that those of an image in many tasks are made once."""
        ...

    def answer(self, task: Task, methods: Sequence[str] = ...) -> Mapping[str, Answer]:
        """Label the queries of one task.

        Args:
            task: Its images are of `frame`.
            methods: Some of `methods`; the ones without gradients by default.

        Raises:
            DataError: The task is beyond the subject's limits, or a result is not finite.
        """
        ...

    def n_tuning_steps(self, method: str) -> int:
        """Optimiser steps of a fine-tuning method; 0 for every other."""
        ...

    def adaptation(self, task: Task, method: str, *, n_steps: int | None = None) -> Callable[[], object]:
        """Only the adapting of one method, to be measured; the backbone has run on one image before."""
        ...


def open_subject(path: Path, recipes: Recipes | None = None, *, backbone: Path | None = None) -> Subject:
    """Open a checkpoint or a bundle for evaluation.

    Args:
        path: Folder of either.
        recipes: Of the methods with gradients; a bundle has none of these.
        backbone: File with the backbone's weights, for a checkpoint that lacks them.

    Raises:
        CheckpointError: Neither, a bundle where `hyperflow_export` is not installed, or a backbone that does not fit.
    """
    if (path / CONFIG_NAME).exists():
        return CheckpointSubject(load_checkpoint(path, backbone=backbone), recipes)
    if (path / MANIFEST_NAME).exists():
        if backbone is not None:
            raise CheckpointError(f"{path} is a bundle, which holds its backbone; leave out --backbone")
        for entry_point in entry_points(group="hyperflow.evaluation", name="bundle"):
            subject: Subject = entry_point.load()(path)
            return subject
        raise CheckpointError(
            f"{path} is a bundle; evaluating it needs hyperflow_export: pip install 'hyperflow[export]'"
        )
    raise CheckpointError(f"{path} is neither a checkpoint ({CONFIG_NAME}) nor a bundle ({MANIFEST_NAME})")


def subject_digest(path: Path) -> str:
    """Hash of what defines a checkpoint or a bundle; the manifest of a bundle has the hashes of its other files."""
    digest = hashlib.sha256()
    for name in (CONFIG_NAME, WEIGHTS_NAME, MANIFEST_NAME):
        if (path / name).exists():
            digest.update(name.encode() + hashlib.sha256((path / name).read_bytes()).digest())
    return digest.hexdigest()
