"""Frames on their way into the backbone, a batch at a time: a protocol may ask about thousands of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from hyperflow.evaluation.methods import Features, Frame
from hyperflow.images.preprocessing import Preprocessing, normalise
from hyperflow.model import HyperFlow

__all__ = ["ImageBatches", "encode_in_batches"]

_BATCH = 128  # images whose activations are held at once


class ImageBatches:
    """Preprocessed batches of frames, made anew each time they are iterated over."""

    def __init__(self, frames: Sequence[Frame], rule: Preprocessing, base: Features | None = None) -> None:
        """Take frames that are cropped and resized already, and their features at theta_0, (B, D), where known."""
        self._frames, self._rule, self._base = frames, rule, base

    def encoded(self, model: HyperFlow, theta: torch.Tensor | None = None) -> torch.Tensor:
        """Features under theta (P,), by default theta_0; (B, D)."""
        if self._base is not None and (theta is None or theta is model.backbone.theta_0):
            return torch.from_numpy(self._base)
        return torch.cat([model.encode(batch, theta) for batch in self])

    def __iter__(self) -> Iterator[torch.Tensor]:
        for first in range(0, len(self._frames), _BATCH):
            yield self._preprocessed(self._frames[first : first + _BATCH])

    def whole(self) -> torch.Tensor:
        """All images in one batch, (B, 3, H, W)."""
        return self._preprocessed(self._frames)

    def _preprocessed(self, frames: Sequence[Frame]) -> torch.Tensor:
        images = normalise(torch.from_numpy(np.stack(frames)), self._rule)
        return images.contiguous(memory_format=torch.channels_last)


def encode_in_batches(model: HyperFlow, images: torch.Tensor, theta: torch.Tensor | None = None) -> torch.Tensor:
    """Features of preprocessed images (B, 3, H, W) under theta (P,), by default theta_0; (B, D)."""
    return torch.cat([model.encode(batch, theta) for batch in torch.split(images, _BATCH)])
