"""CUDA through pycuda: one device, its primary context, memory and streams. The only module that imports pycuda.

The primary context is the one that every other library of the process uses too. It is current only inside
`CudaDevice.current()`: other threads, and other libraries in this one, find the context they left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from hyperflow_runtime.engines.key import DeviceIdentity
from hyperflow_runtime.errors import BackendError

__all__ = ["CudaDevice", "cuda_driver", "n_cuda_devices"]


def cuda_driver() -> Any:
    """Import pycuda's driver interface and start it.

    Raises:
        BackendError: pycuda is not installed, or there is no driver or no device.
    """
    try:
        import pycuda.driver as driver
    except ModuleNotFoundError as error:
        raise BackendError(
            f"pycuda is not installed ({error}); pip install pycuda, which compiles and needs nvcc on the PATH "
            "(on a Jetson: export PATH=/usr/local/cuda/bin:$PATH)"
        ) from error
    except ImportError as error:
        raise BackendError(f"pycuda cannot be loaded ({error}); is the NVIDIA driver installed?") from error
    try:
        driver.init()
    except driver.Error as error:
        raise BackendError(f"CUDA cannot be started ({error}); is there an NVIDIA GPU, and may you use it?") from error
    return driver


def n_cuda_devices() -> int:
    """Number of GPUs that CUDA shows.

    Raises:
        BackendError: As `cuda_driver`.
    """
    return int(cuda_driver().Device.count())


@cache
def _primary_context(driver: Any, index: int) -> Any:
    """The primary context of a device, retained once and kept until the process ends.

    pycuda leaves a context that it releases current in the releasing thread, where it would meet other libraries.
    """
    return driver.Device(index).retain_primary_context()


class CudaDevice:
    """One GPU, through its primary context.

    Attributes:
        driver: Pycuda's driver module, for the buffers made on this device.
        identity: What engines depend on.
        is_integrated: Whether GPU and processor share their memory, as on every Jetson.
    """

    def __init__(self, index: int = 0) -> None:
        """Retain the device's primary context.

        Args:
            index: In CUDA's numbering.

        Raises:
            BackendError: No pycuda, no driver, no such device, or no memory for a context.
        """
        self.driver = cuda_driver()
        n_devices = int(self.driver.Device.count())
        if not 0 <= index < n_devices:
            raise BackendError(f"no CUDA device {index}: CUDA shows {n_devices}, numbered from 0")
        device = self.driver.Device(index)
        attribute = self.driver.device_attribute
        major, minor = device.compute_capability()
        self.identity = DeviceIdentity(
            str(device.name()), f"{major}.{minor}", int(device.get_attribute(attribute.MULTIPROCESSOR_COUNT))
        )
        self.is_integrated = bool(device.get_attribute(attribute.INTEGRATED))
        try:
            self._context = _primary_context(self.driver, index)
        except self.driver.Error as error:
            raise BackendError(f"{self.identity} gives no CUDA context ({error}); free some memory") from error

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the context current in this thread, for the block.

        Raises:
            BackendError: A call of CUDA failed inside.
        """
        self._context.push()
        try:
            yield
        except self.driver.Error as error:
            raise BackendError(f"CUDA failed on {self.identity} ({error}); {_next_move(str(error))}") from error
        finally:
            self._context.pop()


def _next_move(message: str) -> str:
    if "out of memory" in message:
        return "close other programs, or export a bundle with a smaller --max-batch"
    if "invalid resource handle" in message:
        return "another library has changed the CUDA context of this thread; open the bundle in a thread of its own"
    return "hyperflow-runtime doctor tells what this device has"
