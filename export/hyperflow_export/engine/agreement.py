"""Two backends on the same inputs, at every shape where an engine may go wrong.

TensorRT chooses kernels for each range of shapes, and has shipped wrong ones for single shapes, batch 1 among them
(TensorRT-Edge-LLM issue 151). The bundle's reference data has one batch; this has the ends and the middle of
each range.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hyperflow_export.engine.precision_rules import graph_precision
from hyperflow_export.parity import TOLERANCES, compare
from hyperflow_runtime.backends.protocol import Array, Backend
from hyperflow_runtime.bundle.manifest import Manifest, ParityCheck
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.key import ShapeRange
from hyperflow_runtime.engines.profiles import engine_profiles

__all__ = ["batch_sizes", "compare_backends", "support_sizes"]


def batch_sizes(manifest: Manifest) -> list[int]:
    """Numbers of images at the least, usual and largest shape of each profile, and just beyond the smaller profiles."""
    profiles = [profile[0] for profile in engine_profiles(manifest, "backbone")]
    sizes = {shape[0] for images in profiles for shape in (images.min, images.opt, images.max)}
    sizes |= {images.max[0] + 1 for images in profiles if images.max[0] < manifest.limits.max_batch}
    return sorted(sizes)


def support_sizes(manifest: Manifest) -> list[tuple[int, int]]:
    """Numbers of images and of ways: least, usual and largest, and the largest of one with the least of the other."""
    onehot: ShapeRange = engine_profiles(manifest, "adapt")[0][1]
    (least, ways), usual, (most, most_ways) = onehot.min, onehot.opt, onehot.max
    sizes = {(least, ways), (usual[0], usual[1]), (most, ways), (most, min(most, most_ways))}
    return sorted(sizes | {(min(most, most_ways), min(most, most_ways))})


def compare_backends(bundle: Bundle, backend: Backend, against: Backend, *, seed: int = 0) -> list[ParityCheck]:
    """Run both on the same random inputs.

    Args:
        bundle: What they run.
        backend: The one in question.
        against: The one to believe.
        seed: Of the inputs.

    Returns:
        One line for each shape and graph.

    Raises:
        BackendError: One of them fails.
    """
    rng = np.random.default_rng(seed)
    checks = list(_drift_checks(bundle, backend, against, rng))
    return checks + list(_feature_checks(bundle, backend, against, rng))


def _drift_checks(
    bundle: Bundle, backend: Backend, against: Backend, rng: np.random.Generator
) -> Iterator[ParityCheck]:
    manifest = bundle.manifest
    tolerance = TOLERANCES[graph_precision("adapt", manifest.precision)]
    for n_images, n_way in support_sizes(manifest):
        features, onehot = _support(manifest, n_images, n_way, rng)
        expected, actual = against.adapt(features, onehot, 1.0), backend.adapt(features, onehot, 1.0)
        what = f"onnxruntime: {n_images} images, {n_way} ways"
        yield compare(f"{what}: theta", expected.theta, actual.theta, tolerance=tolerance, start=bundle.theta_0)
        yield compare(f"{what}: step norms", expected.step_norms, actual.step_norms, tolerance=tolerance)


def _feature_checks(
    bundle: Bundle, backend: Backend, against: Backend, rng: np.random.Generator
) -> Iterator[ParityCheck]:
    manifest = bundle.manifest
    side, tolerance = manifest.preprocessing.size_px, TOLERANCES[graph_precision("backbone", manifest.precision)]
    support = _support(manifest, *support_sizes(manifest)[0], rng)
    theta = against.adapt(*support, manifest.adaptation.step_size).theta
    for n_images in batch_sizes(manifest):
        images = rng.standard_normal((n_images, 3, side, side), dtype=np.float32)
        for name, values in (("theta_0", bundle.theta_0), ("an adapted theta", theta)):
            expected, actual = against.encode(images, values), backend.encode(images, values)
            what = f"onnxruntime: features of {n_images} images at {name}"
            yield compare(what, expected, actual, tolerance=tolerance)


def _support(manifest: Manifest, n_images: int, n_way: int, rng: np.random.Generator) -> tuple[Array, Array]:
    features = rng.random((n_images, manifest.feature_dim), dtype=np.float32)
    return features, np.eye(n_way, dtype=np.float32)[np.arange(n_images) % n_way]
