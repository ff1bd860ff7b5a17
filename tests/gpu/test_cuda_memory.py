"""pycuda on a real GPU: contexts, shared and device memory."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from hyperflow_runtime import BackendError
from hyperflow_runtime.backends.tensorrt.buffers import DeviceArray, SharedArray
from hyperflow_runtime.backends.tensorrt.cuda import CudaDevice

VALUES = np.random.default_rng(0).standard_normal(1000).astype(np.float32)


def test_a_device_tells_who_it_is(device: CudaDevice) -> None:
    major, minor = device.identity.compute_capability.split(".")

    assert int(major) >= 5
    assert minor.isdigit()
    assert device.identity.n_multiprocessors > 0
    assert device.identity.name


def test_a_device_that_is_not_there_is_refused(device: CudaDevice) -> None:
    with pytest.raises(BackendError, match="no CUDA device 99: CUDA shows"):
        CudaDevice(99)


def test_what_is_written_to_shared_memory_comes_back(device: CudaDevice) -> None:
    with device.current():
        stream, shared = device.driver.Stream(), SharedArray(device, 1000)
        shared.write(VALUES, stream)
        stream.synchronize()
        on_gpu = np.empty_like(VALUES)
        device.driver.memcpy_dtoh(on_gpu, shared.pointer)
        shared.fetch(10, stream)
        stream.synchronize()
        fetched = shared.read((2, 5))
        shared.free()

    np.testing.assert_array_equal(on_gpu, VALUES)
    np.testing.assert_array_equal(fetched.reshape(-1), VALUES[:10])


def test_what_is_written_to_device_memory_is_there(device: CudaDevice) -> None:
    with device.current():
        stream, memory = device.driver.Stream(), DeviceArray(device, 1000)
        memory.write(VALUES, stream)
        stream.synchronize()
        on_gpu = np.empty_like(VALUES)
        device.driver.memcpy_dtoh(on_gpu, memory.pointer)
        memory.free()

    np.testing.assert_array_equal(on_gpu, VALUES)


def test_more_memory_than_there_is_gives_a_clear_error(device: CudaDevice) -> None:
    with pytest.raises(BackendError, match=r"out of memory.*close other programs"), device.current():
        DeviceArray(device, 2**42)


def test_every_thread_finds_the_context_and_leaves_none(device: CudaDevice) -> None:
    left: list[object] = []

    def work() -> None:
        with device.current():
            DeviceArray(device, 10).free()
        left.append(device.driver.Context.get_current())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert left == [None] * 4
