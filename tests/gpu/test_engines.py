"""Engines built and run on a real GPU, against onnxruntime on the processor."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_export.engine.target import Target
from hyperflow_export.verification import verify_bundle
from hyperflow_runtime import EngineError, open_bundle
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.tensorrt.backend import TensorRTBackend
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache

Array = NDArray[np.float32]
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((20, 3, 32, 32)).astype(np.float32)


def other_theta(bundle: Bundle, seed: int) -> Array:
    change = np.random.default_rng(seed).normal(0, 0.1, bundle.theta_0.shape)
    return bundle.theta_0 + change.astype(np.float32)


@pytest.mark.parametrize("n_images", [1, 4, 5, 8, 20])
def test_features_are_those_of_onnxruntime(
    bundle: Bundle, on_gpu: TensorRTBackend, on_processor: OnnxRuntimeBackend, n_images: int
) -> None:
    theta = other_theta(bundle, 1)
    expected = on_processor.encode(IMAGES[:n_images], theta)

    np.testing.assert_allclose(on_gpu.encode(IMAGES[:n_images], theta), expected, atol=1e-4)
    np.testing.assert_allclose(on_gpu.baked(theta).encode(IMAGES[:n_images]), expected, atol=1e-4)


def test_the_reference_data_come_out(bundle: Bundle, on_gpu: TensorRTBackend) -> None:
    checks = verify_bundle(bundle, backend=on_gpu)

    assert checks
    assert [check for check in checks if not check.passed] == []


def test_threads_with_other_thetas_do_not_meet(
    bundle: Bundle, on_gpu: TensorRTBackend, on_processor: OnnxRuntimeBackend
) -> None:
    thetas = [other_theta(bundle, seed) for seed in range(6)]
    expected = [on_processor.encode(IMAGES[:3], theta) for theta in thetas]
    differences: list[float] = []

    def work(index: int) -> None:
        resident = on_gpu.baked(thetas[index])
        for _ in range(50):
            for features in (resident.encode(IMAGES[:3]), on_gpu.encode(IMAGES[:3], thetas[index])):
                differences.append(float(np.abs(features - expected[index]).max()))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(thetas))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(differences) == 6 * 50 * 2
    assert max(differences) < 1e-4


def test_an_engine_that_was_not_compared_here_is_refused(
    tiny_bundle: Path, on_gpu: TensorRTBackend, cache: EngineCache, target: Target
) -> None:
    with pytest.raises(EngineError, match="was never compared on"):
        open_bundle(tiny_bundle, "tensorrt", engine_cache=cache.folder)
