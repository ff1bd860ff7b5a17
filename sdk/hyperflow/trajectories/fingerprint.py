"""Telling one backbone from another."""

from __future__ import annotations

import hashlib

import msgspec
import torch

from hyperflow.model import HyperFlow

__all__ = ["backbone_sha256"]


def backbone_sha256(model: HyperFlow) -> str:
    """Digest of everything that a trajectory depends on in a model: backbone, theta_0, units and preprocessing.

    The drift network has no part in it, so a store stays valid while the drift is trained.
    """
    digest = hashlib.sha256(msgspec.json.encode(model.config.preprocessing))
    for name, tensor in sorted(model.backbone.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
