"""Features of training images at theta_0, computed once and kept.

Flow matching looks at supports of the same images again and again, and theta_0 never changes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from hyperflow.images.packed import PackedSet
from hyperflow.images.preprocessing import normalise
from hyperflow.images.tensors import as_unit_images, shrink
from hyperflow.model import HyperFlow

__all__ = ["FeatureBank"]

_BATCH = 64


class FeatureBank:
    """Features of whole images, without augmentation; each is computed when it is first asked for."""

    def __init__(self, model: HyperFlow) -> None:
        """Take the model whose theta_0 sees the images; its weights must not change any more."""
        self._model = model
        self._known: dict[str, dict[int, torch.Tensor]] = {}

    @torch.no_grad()
    def features(self, domain: PackedSet, rows: NDArray[np.int64]) -> torch.Tensor:
        """What `model.encode` says of some images.

        Args:
            domain: Their set.
            rows: Counted through its classes in order, (n,).

        Returns:
            (n, D), on the model's device.
        """
        known = self._known.setdefault(domain.name, {})
        missing = np.array([row for row in dict.fromkeys(rows.tolist()) if row not in known], dtype=np.int64)
        rule, device = self._model.config.preprocessing, self._model.backbone.theta_0.device
        for start in range(0, len(missing), _BATCH):
            part = missing[start : start + _BATCH]
            images = shrink(as_unit_images(domain.images_rgb(part)), rule.size_px).permute(0, 2, 3, 1)
            ready = normalise(images, rule).contiguous(memory_format=torch.channels_last).to(device)
            known.update(zip(part.tolist(), self._model.encode(ready), strict=True))
        return torch.stack([known[row] for row in rows.tolist()])
