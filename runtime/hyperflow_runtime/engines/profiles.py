"""Optimisation profiles: the shapes that an engine is built for, from what the bundle was exported for."""

from __future__ import annotations

from hyperflow_runtime.bundle.manifest import Manifest
from hyperflow_runtime.engines.key import GraphName, ShapeRange

__all__ = ["engine_profiles"]

_USUAL_WAYS, _USUAL_SHOTS = 5, 5
_FRAMES = 4
"""Images in the profile for single frames. One would do, but TensorRT 10.13 miscompiles engines whose largest batch is
one on some boards (TensorRT-Edge-LLM issue 151)."""


def engine_profiles(manifest: Manifest, graph: GraphName) -> tuple[tuple[ShapeRange, ...], ...]:
    """Profiles of one graph.

    The backbone has two: one made for a single frame, and one for a whole support set. The drift has one.

    Args:
        manifest: Limits, sizes and the size of a feature.
        graph: Which of the two.

    Returns:
        For each profile the ranges of its inputs; inputs of a fixed shape are not listed.
    """
    return _backbone_profiles(manifest) if graph == "backbone" else (_adapt_profile(manifest),)


def _backbone_profiles(manifest: Manifest) -> tuple[tuple[ShapeRange, ...], ...]:
    side, most = manifest.preprocessing.size_px, manifest.limits.max_batch

    def images(opt: int, largest: int) -> tuple[ShapeRange, ...]:
        one, usual, all_of_them = ((size, 3, side, side) for size in (1, opt, largest))
        return (ShapeRange("images", one, usual, all_of_them),)

    if most <= _FRAMES:
        return (images(1, most),)
    return images(1, _FRAMES), images(min(_USUAL_WAYS * _USUAL_SHOTS, most), most)


def _adapt_profile(manifest: Manifest) -> tuple[ShapeRange, ...]:
    limits, dim = manifest.limits, manifest.feature_dim
    n_way = min(_USUAL_WAYS, limits.max_ways, limits.max_support)
    n_images = min(n_way * _USUAL_SHOTS, limits.max_support)
    sizes = (2, 2), (n_images, n_way), (limits.max_support, limits.max_ways)
    features = ((images, dim) for images, _ in sizes)
    return ShapeRange("features", *features), ShapeRange("labels_onehot", *sizes)
