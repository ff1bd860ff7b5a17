"""The stand-in for pycuda: contexts, memory and streams, with the traps of the real ones."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from stand_in import ORIN_NANO, RTX_4090, DeviceSpec, StandIn, StandInMisuse, install

VALUES = np.arange(6, dtype=np.float32)


@pytest.fixture
def version() -> str:
    """The newest; pycuda is the same with all of them."""
    return "11.4"


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A stand-in whose misuses are the test's subject; without a context that is current."""
    installed = install(monkeypatch, "11.4")
    installed.driver.init()
    return installed


def _in_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize("device", [ORIN_NANO, RTX_4090], ids=["integrated", "discrete"])
def test_a_device_tells_what_it_is(stand_in: StandIn, device: DeviceSpec) -> None:
    driver = stand_in.driver
    driver.init()
    gpu, attribute = driver.Device(0), driver.device_attribute

    assert driver.Device.count() == 1
    assert gpu.name() == device.name
    assert gpu.compute_capability() == device.compute_capability
    assert gpu.get_attribute(attribute.INTEGRATED) == device.is_integrated
    assert gpu.get_attribute(attribute.MULTIPROCESSOR_COUNT) == device.n_multiprocessors
    with pytest.raises(driver.LogicError, match="invalid device ordinal"):
        driver.Device(1)


def test_without_a_gpu_nothing_can_be_initialised(stand_in: StandIn) -> None:
    stand_in.faults.no_driver = True

    with pytest.raises(stand_in.driver.Error, match="cuInit failed: no CUDA-capable device"):
        stand_in.driver.init()


def test_what_is_copied_is_there_once_somebody_waits(stand_in: StandIn, current: Any) -> None:
    driver, back = stand_in.driver, np.zeros_like(VALUES)
    memory, stream = driver.mem_alloc(VALUES.nbytes), driver.Stream()

    driver.memcpy_htod_async(memory, VALUES, stream)
    driver.memcpy_dtoh_async(back, memory, stream)
    early = back.copy()
    stream.synchronize()

    np.testing.assert_array_equal(early, 0)
    np.testing.assert_array_equal(back, VALUES)
    assert stream.handle != 0


def test_memory_holds_nan_before_it_is_written(stand_in: StandIn, current: Any) -> None:
    driver, back = stand_in.driver, np.zeros_like(VALUES)

    driver.memcpy_dtoh(back, driver.mem_alloc(VALUES.nbytes))

    assert np.isnan(back).all()


def test_mapped_memory_has_an_address_for_the_gpu_and_other_pinned_memory_has_none(
    stand_in: StandIn, current: Any
) -> None:
    driver = stand_in.driver
    mapped = driver.pagelocked_empty((2, 3), np.float32, mem_flags=driver.host_alloc_flags.DEVICEMAP)
    pinned = driver.pagelocked_empty(6, np.float32)
    mapped[...] = VALUES.reshape(2, 3)
    back = np.zeros_like(VALUES)

    driver.memcpy_dtoh(back, mapped.base.get_device_pointer())

    np.testing.assert_array_equal(back, VALUES)
    with pytest.raises(driver.LogicError, match="cuMemHostGetDevicePointer failed"):
        pinned.base.get_device_pointer()


def test_pycuda_refuses_what_boost_python_refuses(stand_in: StandIn, current: Any) -> None:
    driver = stand_in.driver
    memory = driver.mem_alloc(24)

    with pytest.raises(TypeError, match="did not match C"):
        driver.mem_alloc(np.int64(24))
    with pytest.raises(driver.LogicError, match="cuMemAlloc failed: invalid argument"):
        driver.mem_alloc(0)
    with pytest.raises(ValueError, match="not contiguous"):
        driver.memcpy_htod(memory, np.zeros((3, 4), np.float32)[:, ::2])
    with pytest.raises(TypeError, match="CUdeviceptr"):
        driver.memcpy_htod(VALUES, VALUES)


@pytest.mark.parametrize("device", [DeviceSpec("Small", (8, 7), 8, True, memory_bytes=100, pinned_bytes=50)])
def test_memory_ends(stand_in: StandIn, current: Any) -> None:
    driver = stand_in.driver
    first = driver.mem_alloc(60)

    with pytest.raises(driver.MemoryError, match="cuMemAlloc failed: out of memory"):
        driver.mem_alloc(60)
    with pytest.raises(driver.MemoryError, match="cuMemHostAlloc failed: out of memory"):
        driver.pagelocked_empty(60, np.uint8)
    assert driver.mem_get_info() == (40, 100)
    first.free()
    assert driver.mem_get_info() == (100, 100)


def test_memory_that_nobody_holds_is_free(stand_in: StandIn, current: Any) -> None:
    stand_in.driver.mem_alloc(10)
    stand_in.driver.pagelocked_empty(10, np.float32)

    assert stand_in.ledger.live() == {"primary context": 1}


def test_memory_that_is_still_held_is_told(stand_in: StandIn, current: Any) -> None:
    memory = stand_in.driver.mem_alloc(10)

    with pytest.raises(AssertionError, match=r"not freed: \{'device memory': 1\}"):
        stand_in.ledger.check_nothing_left()
    memory.free()
    stand_in.ledger.check_nothing_left()


def test_nothing_works_without_a_current_context(faulty: StandIn) -> None:
    driver = faulty.driver
    for call in (lambda: driver.mem_alloc(10), driver.Stream, lambda: driver.pagelocked_empty(10, np.float32)):
        with pytest.raises(driver.LogicError, match="failed: invalid device context"):
            call()

    assert len(faulty.ledger.misuses) == 3
    with pytest.raises(AssertionError, match="cuMemAlloc without a current context"):
        faulty.check()


def test_a_context_is_current_in_one_thread_only(faulty: StandIn) -> None:
    driver, errors = faulty.driver, list[str]()
    context = driver.Device(0).retain_primary_context()
    context.push()

    def work() -> None:
        try:
            driver.mem_alloc(10)
        except driver.LogicError as error:
            errors.append(str(error))

    _in_thread(work)
    context.pop()

    assert errors == ["cuMemAlloc failed: invalid device context"]


def test_a_context_that_stays_pushed_is_told(faulty: StandIn) -> None:
    context = faulty.driver.Device(0).retain_primary_context()
    _in_thread(context.push)

    with pytest.raises(AssertionError, match="the context stack was not empty upon module cleanup"):
        faulty.check()


def test_popping_what_was_not_pushed_is_an_error(faulty: StandIn) -> None:
    with pytest.raises(faulty.driver.LogicError, match="cannot pop non-current context"):
        faulty.driver.Context.pop()


def test_what_is_freed_in_another_thread_must_find_its_context_there(faulty: StandIn) -> None:
    driver = faulty.driver
    context = driver.Device(0).retain_primary_context()
    context.push()
    good, bad = driver.mem_alloc(10), driver.mem_alloc(10)
    context.pop()
    warned: list[str] = []

    def free_good() -> None:
        context.push()
        good.free()
        context.pop()

    def free_bad() -> None:
        with pytest.warns(UserWarning, match="out-of-thread context could not be cleaned up") as caught:
            bad.free()
        warned.extend(str(warning.message) for warning in caught)

    _in_thread(free_good)
    assert faulty.ledger.misuses == []
    _in_thread(free_bad)

    assert len(warned) == 1
    assert faulty.ledger.live()["device memory"] == 1
    assert "pycuda leaks it" in faulty.ledger.misuses[0]


def test_freeing_twice_is_an_error(faulty: StandIn) -> None:
    context = faulty.driver.Device(0).retain_primary_context()
    context.push()
    memory = faulty.driver.mem_alloc(10)
    memory.free()

    with pytest.raises(faulty.driver.LogicError, match="device_allocation::free failed"):
        memory.free()
    context.pop()


def test_freed_memory_cannot_be_used(faulty: StandIn) -> None:
    context = faulty.driver.Device(0).retain_primary_context()
    context.push()
    memory, stream = faulty.driver.mem_alloc(VALUES.nbytes), faulty.driver.Stream()
    faulty.driver.memcpy_htod_async(memory, VALUES, stream)
    memory.free()

    with pytest.raises(StandInMisuse, match="memcpy_htod: the device memory was freed"):
        stream.synchronize()
    context.pop()


def test_more_than_was_allocated_cannot_be_copied(faulty: StandIn) -> None:
    context = faulty.driver.Device(0).retain_primary_context()
    context.push()
    memory = faulty.driver.mem_alloc(VALUES.nbytes - 4)

    with pytest.raises(StandInMisuse, match="24 bytes at byte 0 of 20"):
        faulty.driver.memcpy_htod(memory, VALUES)
    context.pop()


def test_a_released_context_takes_what_is_left_with_it(faulty: StandIn) -> None:
    context = faulty.driver.Device(0).retain_primary_context()
    context.push()
    memory = faulty.driver.mem_alloc(10)
    context.pop()
    context.detach()

    assert faulty.n_retained == 0
    assert faulty.ledger.misuses[0].startswith("the primary context was released before {'device memory': 1}")
    with pytest.raises(AssertionError, match="pycuda left a released context current there"):
        faulty.check()
    memory.free()
    assert faulty.ledger.misuses[-1] == "device_allocation outlived its context"


def test_a_context_detached_in_another_thread_leaks(faulty: StandIn) -> None:
    context = faulty.driver.Device(0).retain_primary_context()
    _in_thread(context.detach)

    assert faulty.n_retained == 1
    assert "detached in another thread than its own" in faulty.ledger.misuses[0]
