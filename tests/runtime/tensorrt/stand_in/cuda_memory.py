"""Allocations and copies of the fake `pycuda.driver`. What has a stream is done only when somebody waits for it."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stand_in.cuda_errors import CudaLogicError, out_of_memory
from stand_in.cuda_objects import Stream
from stand_in.ledger import Kind
from stand_in.machine import Machine
from stand_in.memory import OutOfMemory, Region

__all__ = ["DEVICEMAP", "make_allocations", "make_copies"]

DEVICEMAP = 2
"""CU_MEMHOSTALLOC_DEVICEMAP."""


def _allocated(machine: Machine, routine: str, kind: Kind, n_bytes: int, *, is_visible: bool = True) -> Region:
    machine.contexts.check_current(routine)
    if n_bytes == 0:
        raise CudaLogicError(f"{routine} failed: invalid argument")
    try:
        return machine.memory.allocate(kind, n_bytes, is_visible=is_visible)
    except OutOfMemory:
        gc.collect()  # as pycuda does before it gives up
    try:
        return machine.memory.allocate(kind, n_bytes, is_visible=is_visible)
    except OutOfMemory as error:
        raise out_of_memory(routine) from error


class _Allocation:
    """Base of what frees itself once: when told to, or when nobody holds it any more."""

    def __init__(self, machine: Machine, region: Region, title: str) -> None:
        self._machine, self._region, self._title = machine, region, title
        self._context = machine.contexts.check_current(title)
        self._is_held = True

    def free(self) -> None:
        if not self._is_held:
            self._machine.ledger.note(f"{self._title} was freed twice")
            raise CudaLogicError(f"{self._title}::free failed: invalid resource handle")
        self._is_held = False
        self._machine.contexts.clean_up(self._context, self._title, lambda: self._machine.memory.free(self._region))

    def __del__(self) -> None:
        if getattr(self, "_is_held", False):
            self.free()


class DeviceAllocation(_Allocation):
    def __int__(self) -> int:
        return self._region.address

    def __index__(self) -> int:
        return self._region.address


class HostPointer(_Allocation):
    def get_device_pointer(self) -> int:
        self._machine.contexts.check_current("cuMemHostGetDevicePointer")
        if not self._region.is_visible:
            raise CudaLogicError("cuMemHostGetDevicePointer failed: invalid argument")
        return self._region.address


class PagelockedHostAllocation(HostPointer):
    def as_array(self, dims: tuple[int, ...], dtype: np.dtype[Any], order: str) -> NDArray[Any]:
        """View as an array whose `base` is this object, as pycuda's arrays have it."""
        strides = np.empty(dims, dtype, order="F" if order == "F" else "C").strides
        self.__array_interface__ = {
            "data": (self._region.address, False), "shape": dims, "strides": strides, "typestr": dtype.str,
            "version": 3,
        }  # fmt: skip
        return np.asarray(self)

    def get_flags(self) -> int:
        return DEVICEMAP if self._region.is_visible else 0


def make_allocations(machine: Machine) -> dict[str, Any]:
    """Make the functions that allocate, and the classes of what they give."""

    def mem_alloc(n_bytes: int, /) -> DeviceAllocation:
        if not isinstance(n_bytes, int):  # Boost.Python takes no numpy integers
            raise TypeError(f"Python argument types in mem_alloc({type(n_bytes).__name__}) did not match C++ signature")
        region = _allocated(machine, "cuMemAlloc", "device memory", n_bytes)
        return DeviceAllocation(machine, region, "device_allocation")

    def pagelocked_empty(
        shape: int | tuple[int, ...], dtype: DTypeLike, order: str = "C", mem_flags: int = 0
    ) -> NDArray[Any]:
        dims = (shape,) if isinstance(shape, int) else tuple(shape)
        kind = np.dtype(dtype)
        n_bytes = math.prod(dims) * kind.itemsize
        is_mapped = bool(mem_flags & DEVICEMAP)
        region = _allocated(machine, "cuMemHostAlloc", "host memory", n_bytes, is_visible=is_mapped)
        allocation = PagelockedHostAllocation(machine, region, "pagelocked_host_allocation")
        return allocation.as_array(dims, kind, order)

    def mem_get_info() -> tuple[int, int]:
        machine.contexts.check_current("cuMemGetInfo")
        limit = machine.memory.limit("device memory")
        return limit - machine.memory.used("device memory"), limit

    return {
        "DeviceAllocation": DeviceAllocation,
        "HostAllocation": PagelockedHostAllocation,
        "HostPointer": HostPointer,
        "PagelockedHostAllocation": PagelockedHostAllocation,
        "mem_alloc": mem_alloc,
        "mem_get_info": mem_get_info,
        "pagelocked_empty": pagelocked_empty,
    }


def _address(memory: Any) -> int:
    if not isinstance(memory, (int, DeviceAllocation)):
        raise TypeError(f"Python argument types ({type(memory).__name__}) did not match C++ signature: CUdeviceptr")
    return int(memory)


def _bytes_of(buffer: Any, *, writable: bool) -> NDArray[np.uint8]:
    view = memoryview(buffer)
    if not view.contiguous:
        raise ValueError("ndarray is not contiguous")
    if writable and view.readonly:
        raise BufferError("Object is not writable.")
    return np.frombuffer(buffer, np.uint8) if view.nbytes else np.empty(0, np.uint8)


def make_copies(machine: Machine) -> dict[str, Callable[..., None]]:
    """Make the functions that copy."""

    def copy(routine: str, dest: Callable[[], Any], source: Callable[[], Any], stream: Any = None) -> None:
        machine.contexts.check_current(routine)

        def work() -> None:
            dest()[:] = source()

        if stream is None:
            machine.queues.finish_all()
            work()
        elif isinstance(stream, Stream):
            stream._queue.put(work)
        else:
            raise TypeError(f"Python argument types ({type(stream).__name__}) did not match C++ signature: Stream")

    def memcpy_htod(dest: Any, src: Any) -> None:
        memcpy_htod_async(dest, src)

    def memcpy_htod_async(dest: Any, src: Any, stream: Any = None) -> None:
        address, data = _address(dest), _bytes_of(src, writable=False)
        copy("cuMemcpyHtoD", lambda: machine.memory.view(address, data.nbytes, "memcpy_htod"), lambda: data, stream)

    def memcpy_dtoh(dest: Any, src: Any) -> None:
        memcpy_dtoh_async(dest, src)

    def memcpy_dtoh_async(dest: Any, src: Any, stream: Any = None) -> None:
        data, address = _bytes_of(dest, writable=True), _address(src)
        copy("cuMemcpyDtoH", lambda: data, lambda: machine.memory.view(address, data.nbytes, "memcpy_dtoh"), stream)

    return {
        "memcpy_dtoh": memcpy_dtoh, "memcpy_dtoh_async": memcpy_dtoh_async, "memcpy_htod": memcpy_htod,
        "memcpy_htod_async": memcpy_htod_async,
    }  # fmt: skip
