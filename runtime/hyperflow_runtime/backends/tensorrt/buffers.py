"""Memory that an engine reads and writes. Everything here is called with the device's context current.

On a Jetson GPU and processor share their memory: images and results lie in mapped, page-locked memory, which both see
and nothing copies. Theta is read many times in one run and such memory is not cached on the GPU, so it lies in device
memory always. A discrete GPU reads mapped memory across its bus: there, everything is copied.
(NVIDIA, "CUDA for Tegra", section on memory selection.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperflow_runtime.backends.protocol import Array
from hyperflow_runtime.backends.tensorrt.cuda import CudaDevice

__all__ = ["DeviceArray", "SharedArray"]


class SharedArray:
    """float32 numbers that the processor and the GPU pass to each other.

    Attributes:
        pointer: Address for the engine.
    """

    def __init__(self, device: CudaDevice, size: int) -> None:
        """Allocate.

        Args:
            device: Its memory is mapped when it is integrated.
            size: Most numbers that it will hold.
        """
        driver = device.driver
        flags = driver.host_alloc_flags.DEVICEMAP if device.is_integrated else 0
        self._driver = driver
        self._copy: Any = None
        self._host: Any = driver.pagelocked_empty(size, np.float32, mem_flags=flags)
        try:
            self.pointer = self._mapped() if device.is_integrated else self._copied()
        except driver.Error:
            # The error's traceback would hold it until no thread has the context current, where pycuda leaks it.
            self._host.base.free()
            raise

    def _mapped(self) -> int:
        return int(self._host.base.get_device_pointer())

    def _copied(self) -> int:
        self._copy = self._driver.mem_alloc(self._host.nbytes)
        return int(self._copy)

    def write(self, values: Array, stream: Any) -> None:
        """Put numbers in, for work queued on the stream after this."""
        self._host[: values.size] = values.reshape(-1)
        if self._copy is not None:
            self._driver.memcpy_htod_async(self._copy, self._host[: values.size], stream)

    def fetch(self, size: int, stream: Any) -> None:
        """Queue what brings the first numbers back; `read` them once the stream is done."""
        if self._copy is not None:
            self._driver.memcpy_dtoh_async(self._host[:size], self._copy, stream)

    def read(self, shape: tuple[int, ...]) -> Array:
        """Copy the first numbers out, as an array of this shape."""
        size = int(np.prod(shape))
        values: Array = np.array(self._host[:size], dtype=np.float32).reshape(shape)
        return values

    def free(self) -> None:
        """Give the memory back."""
        if self._copy is not None:
            self._copy.free()
        self._host.base.free()


class DeviceArray:
    """float32 numbers in the GPU's own memory.

    Attributes:
        pointer: Address for the engine.
    """

    def __init__(self, device: CudaDevice, size: int) -> None:
        """Allocate room for this many numbers."""
        self._driver = device.driver
        self._memory: Any = self._driver.mem_alloc(size * np.dtype(np.float32).itemsize)
        self.pointer = int(self._memory)

    def write(self, values: Array, stream: Any) -> None:
        """Queue a copy; the array must stay as it is until the stream is done."""
        self._driver.memcpy_htod_async(self._memory, values, stream)

    def free(self) -> None:
        """Give the memory back."""
        self._memory.free()
