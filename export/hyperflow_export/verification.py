"""Does a bundle compute what its reference data says? Needs the runtime only: no torch, so it runs on a device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyperflow_export.parity import compare
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.protocol import Array, Backend
from hyperflow_runtime.bundle.manifest import ParityCheck
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.errors import BundleError
from hyperflow_runtime.preprocessing import normalise
from hyperflow_runtime.prototypes import cosine_scores, prototypes_of

__all__ = ["verify_bundle"]

_Reference = dict[str, NDArray[np.generic]]


def verify_bundle(bundle: Bundle) -> list[ParityCheck]:
    """Run the reference inputs through the bundle's graphs in onnxruntime.

    Args:
        bundle: Checked by `read_bundle`.

    Returns:
        One line for each comparison.

    Raises:
        BundleError: The reference data is torn or of other shapes.
        BackendError: A graph is refused or fails.
    """
    reference = bundle.reference()
    backend = OnnxRuntimeBackend(bundle)
    checks: list[ParityCheck] = []
    try:
        for name in sorted({key.split(".")[0] for key in reference}):
            task = {key.split(".", 1)[1]: value for key, value in reference.items() if key.startswith(f"{name}.")}
            checks += (
                _image_checks(backend, bundle, name, task)
                if "images_rgb" in task
                else _drift_check(backend, name, task)
            )
    except (KeyError, ValueError) as error:
        raise BundleError(f"{bundle.path}/reference.npz is not whole ({error}); export the bundle again") from error
    finally:
        backend.close()
    if not checks:
        raise BundleError(f"{bundle.path}/reference.npz is empty; export the bundle again")
    return checks


def _float32(array: NDArray[np.generic]) -> Array:
    return array.astype(np.float32)


def _image_checks(backend: Backend, bundle: Bundle, name: str, task: _Reference) -> list[ParityCheck]:
    manifest = bundle.manifest
    images = normalise(task["images_rgb"].astype(np.uint8), manifest.preprocessing)
    onehot, expected_theta = _float32(task["labels_onehot"]), _float32(task["theta"])
    features_0 = backend.encode(images, bundle.theta_0)
    theta, step_norms = backend.adapt(features_0, onehot, manifest.adaptation.step_size)
    features = backend.encode(images, theta)
    baked = backend.baked(theta)
    scores = cosine_scores(features, prototypes_of(features, onehot))
    checks = [
        compare(f"{name}: features at theta_0", _float32(task["features_0"]), features_0),
        compare(f"{name}: theta after {manifest.adaptation.n_steps} steps", expected_theta, theta),
        compare(f"{name}: step norms", _float32(task["step_norms"]), step_norms),
        compare(f"{name}: adapted features", _float32(task["features"]), features),
        compare(f"{name}: adapted scores", _float32(task["scores"]), scores, are_scores=True),
    ]
    if baked is not None:
        checks.append(compare(f"{name}: adapted features, baked", _float32(task["features"]), baked.encode(images)))
    return checks


def _drift_check(backend: Backend, name: str, task: _Reference) -> list[ParityCheck]:
    theta, _ = backend.adapt(_float32(task["features_0"]), _float32(task["labels_onehot"]), 1.0)
    return [compare(f"{name}: theta", _float32(task["theta"]), theta)]
