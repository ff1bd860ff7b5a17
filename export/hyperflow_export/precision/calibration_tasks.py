"""Support sets from the user's images, each seen under every theta that a device may come to use.

The range of an activation depends on theta, so a graph that is calibrated at theta_0 alone would clip once it adapts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hyperflow.episodes.sampling import episode_rng
from hyperflow.images.image_set import ImageSet, open_image_sets
from hyperflow.model import HyperFlow
from hyperflow_export.errors import ExportError
from hyperflow_export.sample_images import Pixels
from hyperflow_runtime.bundle.manifest import Preprocessing
from hyperflow_runtime.preprocessing import crop_and_resize, normalise

__all__ = ["ADVISED_IMAGES", "LEAST_IMAGES", "CalibrationTask", "calibration_tasks", "task_of_images"]

Array = NDArray[np.float32]

LEAST_IMAGES = 50
"""Fewer images are refused: a range seen so rarely is chance."""

ADVISED_IMAGES = 200
"""Fewer images are warned about."""

_N_WAY, _N_SHOT = 5, 5


@dataclass(frozen=True, eq=False)
class CalibrationTask:
    """One support set.

    Attributes:
        images: Preprocessed, (S, 3, H, W).
        labels_onehot: (S, N).
        features: At theta_0, (S, D).
        thetas: theta_0, then theta after the drift with each step size of the guard that is not 0; (P,) each.
    """

    images: Array
    labels_onehot: Array
    features: Array
    thetas: tuple[Array, ...]


@torch.no_grad()
def task_of_images(model: HyperFlow, images: Array, labels_onehot: Array) -> CalibrationTask:
    """Run the drift for a support set, once for each step size of the guard.

    Args:
        model: In eval mode.
        images: Preprocessed, (S, 3, H, W).
        labels_onehot: (S, N).
    """
    features, onehot = model.encode(torch.from_numpy(images)), torch.from_numpy(labels_onehot)
    sizes = sorted({*model.config.device.candidates, model.config.device.step_size} - {0.0})
    moved = (model.adapt(features, onehot, torch.tensor(size)).theta.numpy() for size in sizes)
    return CalibrationTask(images, labels_onehot, features.numpy(), (model.backbone.theta_0.numpy(), *moved))


def calibration_tasks(
    model: HyperFlow, rule: Preprocessing, folder: Path, count: int, seed: int
) -> list[CalibrationTask]:
    """Draw support sets of up to five classes with up to five images each, from one image set after another.

    Args:
        model: Whose drift moves theta.
        rule: Crop and size.
        folder: Sets or classes, as `hyperflow evaluate` takes them.
        count: Images to use in all, at most.
        seed: Of the drawing.

    Returns:
        Tasks with at least `LEAST_IMAGES` images in all.

    Raises:
        ExportError: Too few images.
        hyperflow.errors.DataError: No images there, or one that cannot be decoded.
    """
    drawn = _draw(open_image_sets(folder), count, seed)
    n_images = sum(len(members) for _, members, _ in drawn)
    if n_images < LEAST_IMAGES:
        raise ExportError(
            f"{folder} gives {n_images} images to calibrate on, at least {LEAST_IMAGES} are needed and "
            f"{ADVISED_IMAGES} advised; name a folder with more images (two classes or more), or raise "
            "--calibration-count"
        )
    return [
        task_of_images(model, normalise(_pixels(image_set, members, rule), rule), _onehot(labels))
        for image_set, members, labels in drawn
    ]


_Drawn = tuple[ImageSet, list[str], list[int]]


def _draw(sets: list[ImageSet], count: int, seed: int) -> list[_Drawn]:
    """Take support sets in turns until there are enough, beginning with any of the sets; no image twice."""
    order = np.random.default_rng(seed).permutation(len(sets))
    streams = [_support_sets(sets[index], seed) for index in order]
    drawn: list[_Drawn] = []
    left = count
    while streams and left >= 2:
        for stream in list(streams):
            found = next(stream, None)
            if found is None:
                streams.remove(stream)
            elif left >= 2:
                image_set, members, labels = found
                drawn.append((image_set, members[:left], labels[:left]))
                left -= len(drawn[-1][1])
    return [task for task in drawn if len(set(task[2])) > 1]


def _support_sets(image_set: ImageSet, seed: int) -> Iterator[_Drawn]:
    rng = episode_rng(seed, f"{image_set.name} calibration", 0)
    unused = {label: list(rng.permutation(members)) for label, members in image_set.classes.items()}
    while True:
        labels = [label for label, members in unused.items() if members]
        if len(labels) < 2:
            return
        chosen = rng.choice(labels, size=min(_N_WAY, len(labels)), replace=False)
        rounds = [(label, c) for _ in range(_N_SHOT) for c, label in enumerate(chosen)]
        shots = [(str(unused[label].pop()), c) for label, c in rounds if unused[label]]
        yield image_set, [member for member, _ in shots], [c for _, c in shots]


def _pixels(image_set: ImageSet, members: list[str], rule: Preprocessing) -> Pixels:
    return np.stack([crop_and_resize(np.asarray(image_set.image(member)), rule, "rgb") for member in members])


def _onehot(labels: list[int]) -> Array:
    return np.eye(max(labels) + 1, dtype=np.float32)[labels]
