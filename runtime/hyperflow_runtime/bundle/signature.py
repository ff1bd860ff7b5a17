"""What the two graphs of a bundle take and give, from its manifest. Every backend holds its graphs to this."""

from __future__ import annotations

from dataclasses import dataclass

from hyperflow_runtime.bundle.manifest import Manifest

__all__ = ["Signature", "adapt_signature", "backbone_signature"]

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a graph, all float32, by name; None in a shape is a dimension of any size."""

    inputs: dict[str, Shape]
    outputs: dict[str, Shape]


def backbone_signature(manifest: Manifest, *, baked: bool = False) -> Signature:
    """Of `backbone.onnx`: images (B, 3, H, W) and, unless baked, theta (P,) to features (B, D)."""
    side = manifest.preprocessing.size_px
    inputs: dict[str, Shape] = {"images": (None, 3, side, side)}
    if not baked:
        inputs["theta"] = (manifest.n_parameters,)
    return Signature(inputs, {"features": (None, manifest.feature_dim)})


def adapt_signature(manifest: Manifest) -> Signature:
    """Of `adapt.onnx`: features (S, D), labels_onehot (S, N) and step_size () to theta (P,) and step_norms (K,)."""
    return Signature(
        {"features": (None, manifest.feature_dim), "labels_onehot": (None, None), "step_size": ()},
        {"theta": (manifest.n_parameters,), "step_norms": (manifest.adaptation.n_steps,)},
    )
