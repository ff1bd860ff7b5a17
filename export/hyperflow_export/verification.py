"""Does a bundle compute what its reference data says? Needs the runtime only: no torch, so it runs on a device."""

from __future__ import annotations

from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from hyperflow_export.parity import TOLERANCES, Tolerance, compare
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.protocol import Array, Backend
from hyperflow_runtime.bundle.manifest import Limits, ParityCheck, Precision
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.errors import BundleError
from hyperflow_runtime.preprocessing import normalise
from hyperflow_runtime.prototypes import cosine_scores, prototypes_of

__all__ = ["verify_bundle"]

_Reference = dict[str, NDArray[np.generic]]


class _Comparisons:
    """Compares the arrays of one task."""

    def __init__(self, task: str, tolerance: Tolerance) -> None:
        self._task, self._tolerance = task, tolerance

    def __call__(
        self, what: str, expected: NDArray[np.generic], actual: Array, *, are_scores: bool = False,
        start: Array | None = None,
    ) -> ParityCheck:  # fmt: skip
        return compare(
            f"{self._task}: {what}", _float32(expected), actual,
            tolerance=self._tolerance, are_scores=are_scores, start=start,
        )  # fmt: skip


def verify_bundle(bundle: Bundle, *, backend: Backend | None = None) -> list[ParityCheck]:
    """Run the reference inputs through the bundle's graphs, with the tolerance of its precision.

    Args:
        bundle: Checked by `read_bundle`.
        backend: Runs the graphs, and stays open; None for onnxruntime. It is given no support set beyond the bundle's
            limits, which engines do not take; onnxruntime is given all.

    Returns:
        One line for each comparison.

    Raises:
        BundleError: The reference data is torn or of other shapes.
        BackendError: A graph is refused or fails.
    """
    if backend is None:
        with closing(OnnxRuntimeBackend(bundle)) as opened:
            return _verified(bundle, opened, beyond_limits=True)
    return _verified(bundle, backend, beyond_limits=False)


def _verified(bundle: Bundle, backend: Backend, *, beyond_limits: bool) -> list[ParityCheck]:
    reference = bundle.reference()
    checks: list[ParityCheck] = []
    try:
        for name in sorted({key.split(".")[0] for key in reference}):
            task = {key.split(".", 1)[1]: value for key, value in reference.items() if key.startswith(f"{name}.")}
            if not beyond_limits and not _is_within(task, bundle.manifest.limits):
                continue
            checks += (
                _image_checks(backend, bundle, name, task)
                if "images_rgb" in task
                else _drift_check(backend, bundle, name, task)
            )
    except (KeyError, ValueError) as error:
        raise BundleError(f"{bundle.path}/reference.npz is not whole ({error}); export the bundle again") from error
    if not checks:
        raise BundleError(f"{bundle.path}/reference.npz is empty; export the bundle again")
    return checks


def _is_within(task: _Reference, limits: Limits) -> bool:
    n_images, n_way = task["labels_onehot"].shape
    return bool(n_images <= limits.max_support and n_way <= limits.max_ways)


def _float32(array: NDArray[np.generic]) -> Array:
    return array.astype(np.float32)


def _image_checks(backend: Backend, bundle: Bundle, name: str, task: _Reference) -> list[ParityCheck]:
    manifest, compared = bundle.manifest, _Comparisons(name, TOLERANCES[bundle.manifest.precision])
    images = normalise(task["images_rgb"].astype(np.uint8), manifest.preprocessing)
    onehot, expected_theta = _float32(task["labels_onehot"]), _float32(task["theta"])
    features_0 = backend.encode(images, bundle.theta_0)
    theta, step_norms = backend.adapt(features_0, onehot, manifest.adaptation.step_size)
    features = backend.encode(images, theta)
    baked = backend.baked(theta)
    scores = cosine_scores(features, prototypes_of(features, onehot))
    checks = [
        compared("features at theta_0", task["features_0"], features_0),
        compared(f"theta after {manifest.adaptation.n_steps} steps", expected_theta, theta, start=bundle.theta_0),
        compared("step norms", task["step_norms"], step_norms),
        compared("adapted features", task["features"], features),
        compared("adapted scores", task["scores"], scores, are_scores=True),
    ]
    if baked is not None:
        checks.append(compared("adapted features, baked", task["features"], baked.encode(images)))
    return checks


def _drift_check(backend: Backend, bundle: Bundle, name: str, task: _Reference) -> list[ParityCheck]:
    # The drift of an int8 bundle is in fp16, and here it is given the very features that torch was.
    precision: Precision = "fp32" if bundle.manifest.precision == "fp32" else "fp16"
    compared = _Comparisons(name, TOLERANCES[precision])
    theta, _ = backend.adapt(_float32(task["features_0"]), _float32(task["labels_onehot"]), 1.0)
    return [compared("theta", task["theta"], theta, start=bundle.theta_0)]
