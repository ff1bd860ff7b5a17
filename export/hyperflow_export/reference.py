"""The bundle's reference data: inputs, and what the training network made of them.

It travels inside the bundle, so that a device can test itself without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hyperflow.adapted.prototypes import cosine_scores, prototypes_of
from hyperflow.model import HyperFlow
from hyperflow_export.sample_images import Pixels, random_images, real_images
from hyperflow_runtime.bundle.manifest import Preprocessing
from hyperflow_runtime.preprocessing import normalise

__all__ = ["ReferenceTask", "reference_arrays", "reference_tasks"]

_N_RANDOM, _N_REAL = 24, 48
_EXTRA_SHAPES = ((2, 1), (7, 3), (16, 2))


@dataclass(frozen=True)
class ReferenceTask:
    """A support set to compare on.

    Attributes:
        name: `random` or `real`.
        images_rgb: (S, size_px, size_px, 3).
        labels_onehot: (S, N).
    """

    name: str
    images_rgb: Pixels
    labels_onehot: NDArray[np.float32]


def _onehot(labels: list[int]) -> NDArray[np.float32]:
    used = sorted(set(labels))
    return np.eye(len(used), dtype=np.float32)[[used.index(label) for label in labels]]


def reference_tasks(rule: Preprocessing, images: Path | None, seed: int) -> list[ReferenceTask]:
    """Draw the tasks: random images always, the user's where given.

    Args:
        rule: Crop and size.
        images: Folder of real images in classes.
        seed: Seed of the random images.

    Raises:
        hyperflow.errors.DataError: `images` holds no image.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(_N_RANDOM) % 6
    tasks = [ReferenceTask("random", random_images(_N_RANDOM, rule.size_px, rng), _onehot(labels.tolist()))]
    if images is not None:
        pixels, real_labels = real_images(images, _N_REAL, rule)
        if len(set(real_labels)) < 2:
            real_labels = [index % 2 for index in range(len(pixels))]
        tasks.append(ReferenceTask("real", pixels, _onehot(real_labels)))
    return tasks


@torch.no_grad()
def reference_arrays(model: HyperFlow, rule: Preprocessing, task: ReferenceTask) -> dict[str, NDArray[np.generic]]:
    """Run a task through the training network.

    Returns:
        Arrays under `TASK.NAME`: images_rgb, labels_onehot, features_0, theta, step_norms, features and scores; the
        last two under the adapted theta.
    """
    images = torch.from_numpy(normalise(task.images_rgb, rule))
    onehot = torch.from_numpy(task.labels_onehot)
    features_0 = model.encode(images)
    theta, step_norms = model.adapt(features_0, onehot, torch.tensor(model.config.device.step_size))
    features = model.encode(images, theta)
    scores = cosine_scores(features, prototypes_of(features, onehot))
    arrays: dict[str, NDArray[np.generic]] = {
        "images_rgb": task.images_rgb,
        "labels_onehot": task.labels_onehot,
        "features_0": features_0.numpy(),
        "theta": theta.numpy(),
        "step_norms": step_norms.numpy(),
        "features": features.numpy(),
        "scores": scores.numpy(),
    }
    return {f"{task.name}.{name}": array for name, array in arrays.items()}


@torch.no_grad()
def extra_shape_arrays(model: HyperFlow, seed: int) -> dict[str, NDArray[np.generic]]:
    """Drift on further numbers of ways and shots: a dynamic axis that was frozen by mistake shows here."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, NDArray[np.generic]] = {}
    for n_way, n_shot in _EXTRA_SHAPES:
        features = rng.random((n_way * n_shot, model.backbone.feature_dim), dtype=np.float32)
        onehot = np.eye(n_way, dtype=np.float32).repeat(n_shot, axis=0)
        theta, _ = model.adapt(torch.from_numpy(features), torch.from_numpy(onehot), torch.ones(()))
        prefix = f"{n_way}way{n_shot}shot"
        arrays |= {
            f"{prefix}.features_0": features,
            f"{prefix}.labels_onehot": onehot,
            f"{prefix}.theta": theta.numpy(),
        }
    return arrays
