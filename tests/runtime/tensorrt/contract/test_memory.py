"""Where images, results and thetas lie, what is copied, and that nothing of it is left."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from stand_in import ORIN_NANO, RTX_4090, DeviceSpec, StandIn

from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.tensorrt.backend import TensorRTBackend
from hyperflow_runtime.errors import BackendError

Array = NDArray[np.float32]
SMALL = 16 * 2**10
"""Bytes: room for theta, not for the images of the first profile."""
OF_THETA, OF_IMAGE, OF_FEATURE = 144 * 4, 3 * 32 * 32 * 4, 16 * 4
Copies = list[tuple[str, int]]


@pytest.fixture
def copies(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> Copies:
    """Every copy between processor and GPU from now on: its direction, and its bytes."""
    seen: Copies = []

    def watch(name: str, buffer_at: int) -> None:
        original = getattr(stand_in.driver, name)

        def watched(*args: Any) -> None:
            seen.append((name.split("_")[1], memoryview(args[buffer_at]).nbytes))
            original(*args)

        monkeypatch.setattr(stand_in.driver, name, watched)

    for name, buffer_at in (("memcpy_htod", 1), ("memcpy_dtoh", 0)):
        watch(name, buffer_at)
        watch(f"{name}_async", buffer_at)
    return seen


def test_only_a_discrete_gpu_is_sent_images_and_sends_features(
    backend: TensorRTBackend, device: DeviceSpec, copies: Copies, images: Array, theta: Array
) -> None:
    backend.encode(images[:3], theta)

    of_theta = ("htod", OF_THETA)
    if device.is_integrated:
        assert copies == [of_theta]
    else:
        assert copies == [("htod", 3 * OF_IMAGE), of_theta, ("dtoh", 3 * OF_FEATURE)]


def test_a_resident_theta_is_sent_once(
    backend: TensorRTBackend, device: DeviceSpec, copies: Copies, images: Array, theta: Array
) -> None:
    encoder = backend.baked(theta)
    assert copies == [("htod", OF_THETA)]
    copies.clear()

    for _ in range(3):
        encoder.encode(images[:1])

    assert copies == ([] if device.is_integrated else [("htod", OF_IMAGE), ("dtoh", OF_FEATURE)] * 3)


def test_images_and_features_share_memory_on_an_integrated_gpu_alone(
    backend: TensorRTBackend, stand_in: StandIn, device: DeviceSpec, images: Array, theta: Array
) -> None:
    backend.encode(images[:1], theta)

    live = stand_in.ledger.live()
    assert live["host memory"] == 2
    assert live["device memory"] == (1 if device.is_integrated else 3)


def test_a_runner_is_made_once_for_each_profile_and_kept(
    backend: TensorRTBackend,
    stand_in: StandIn,
    images: Array,
    theta: Array,
    support: Callable[[int, int], tuple[Array, Array]],
) -> None:
    made = []
    for n_images in (3, 1, 4, 5, 8, 20, 2):
        backend.encode(images[:n_images], theta)
        made.append(stand_in.ledger.live()["execution context"])
    for n_images in (2, 24):
        backend.adapt(*support(n_images, 2), 1.0)

    assert made == [1, 1, 1, 2, 2, 2, 2]
    assert stand_in.ledger.live()["execution context"] == stand_in.ledger.n_made("execution context") == 3


def test_thetas_lie_beside_each_other_until_they_are_dropped(
    backend: TensorRTBackend, processor: OnnxRuntimeBackend, stand_in: StandIn, images: Array, theta: Array
) -> None:
    backend.encode(images[:1], theta)
    before = stand_in.ledger.live()
    thetas = [theta, -theta, np.zeros_like(theta)]
    encoders = [backend.baked(values) for values in thetas]
    assert stand_in.ledger.live()["device memory"] == before["device memory"] + 3

    for index in (0, 1, 2, 1, 0):
        expected = processor.encode(images[:2], thetas[index])
        np.testing.assert_allclose(encoders[index].encode(images[:2]), expected, atol=1e-5)
        np.testing.assert_allclose(backend.encode(images[:2], theta), processor.encode(images[:2], theta), atol=1e-5)

    del encoders
    gc.collect()
    assert stand_in.ledger.live() == before


def test_a_theta_that_another_thread_drops_is_freed(backend: TensorRTBackend, stand_in: StandIn, theta: Array) -> None:
    holder, before = [backend.baked(theta)], stand_in.ledger.live()["device memory"]
    thread = threading.Thread(target=holder.clear)
    thread.start()
    thread.join()
    gc.collect()

    assert stand_in.ledger.live()["device memory"] == before - 1


def test_a_theta_that_was_changed_after_baking_stays_as_it_was(
    backend: TensorRTBackend, processor: OnnxRuntimeBackend, images: Array, theta: Array
) -> None:
    mine = theta.copy()
    encoder = backend.baked(mine)
    mine[:] = 0

    np.testing.assert_allclose(encoder.encode(images[:1]), processor.encode(images[:1], theta), atol=1e-5)


@pytest.mark.parametrize(
    "device", [replace(ORIN_NANO, pinned_bytes=SMALL), replace(RTX_4090, memory_bytes=SMALL)],
    ids=["integrated", "discrete"],
)  # fmt: skip
def test_too_little_memory_for_a_run_leaves_nothing_behind(
    backend: TensorRTBackend, stand_in: StandIn, images: Array, theta: Array
) -> None:
    encoder, before = backend.baked(theta), stand_in.ledger.live()

    # A future keeps the exception, and with it all frames, until long after the thread that failed is gone.
    with ThreadPoolExecutor(1) as threads:
        failed = [threads.submit(encoder.encode, images[:1]).exception() for _ in range(3)]

    assert stand_in.ledger.live() == before
    for error in failed:
        assert isinstance(error, BackendError)
        said = str(error)
        assert f"CUDA failed on {stand_in.device.name}" in said
        assert "out of memory" in said
        assert "close other programs, or export a bundle with a smaller --max-batch" in said


@pytest.mark.parametrize("device", [replace(RTX_4090, memory_bytes=OF_THETA)], ids=["discrete"])
def test_too_little_memory_for_a_theta_leaves_nothing_behind(
    backend: TensorRTBackend, stand_in: StandIn, theta: Array
) -> None:
    first = backend.baked(theta)
    before = stand_in.ledger.live()

    with ThreadPoolExecutor(1) as threads:
        failed = threads.submit(backend.baked, theta).exception()

    assert isinstance(failed, BackendError)
    assert "cuMemAlloc failed: out of memory" in str(failed)
    assert stand_in.ledger.live() == before
    del first
    gc.collect()
    backend.baked(theta)
