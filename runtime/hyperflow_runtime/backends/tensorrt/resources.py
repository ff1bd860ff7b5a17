"""Everything on the GPU that one opened bundle holds, and the order in which it goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hyperflow_runtime.backends.protocol import Array
from hyperflow_runtime.backends.tensorrt.buffers import DeviceArray
from hyperflow_runtime.backends.tensorrt.cuda import CudaDevice
from hyperflow_runtime.backends.tensorrt.engine import LoadedEngine
from hyperflow_runtime.backends.tensorrt.pool import RunnerPool
from hyperflow_runtime.backends.tensorrt.runner import Runner
from hyperflow_runtime.errors import BackendError

__all__ = ["Resources"]


class Resources:
    """Both engines with their runners, and the thetas that lie on the GPU.

    Attributes:
        device: Where everything lies.
        backbone: Engine of `backbone.onnx`.
        adapt: Engine of `adapt.onnx`.
        backbone_runners: Runners of the backbone.
        adapt_runners: Runners of the drift.
    """

    def __init__(self, device: CudaDevice, backbone: LoadedEngine, adapt: LoadedEngine) -> None:
        """Take engines over."""
        self.device, self.backbone, self.adapt = device, backbone, adapt
        self.backbone_runners = RunnerPool(lambda profile: Runner(backbone, device, profile, ("theta",)))
        self.adapt_runners = RunnerPool(lambda profile: Runner(adapt, device, profile, ()))
        self._thetas: set[DeviceArray] = set()
        self._is_open, self._n_calls = True, 0
        # Reentrant: the garbage collector may drop a theta in the very thread that is adding one.
        self._changed = threading.Condition(threading.RLock())

    @contextmanager
    def call(self) -> Iterator[None]:
        """Make the device's context current for the block; `close` waits for its end.

        Raises:
            BackendError: Closed, or CUDA failed inside.
        """
        with self._changed:
            if not self._is_open:
                raise BackendError("the model is closed; open the bundle again")
            self._n_calls += 1
        try:
            with self.device.current():
                yield
        finally:
            with self._changed:
                self._n_calls -= 1
                self._changed.notify_all()

    def hold_theta(self, theta: Array) -> DeviceArray:
        """Bring theta (P,) to the GPU, where it stays until `drop_theta` or the end.

        Raises:
            BackendError: Closed, or there is no memory.
        """
        with self.call():
            memory = DeviceArray(self.device, theta.size)
            with self._changed:
                self._thetas.add(memory)
            stream = self.device.driver.Stream()
            try:
                memory.write(theta, stream)
                stream.synchronize()
            finally:
                del stream  # pycuda destroys it with the context current, or not at all
        return memory

    def drop_theta(self, memory: DeviceArray) -> None:
        """Free a theta; nothing happens when it went with everything else."""
        with self._changed:
            if not self._is_open or memory not in self._thetas:
                return
            self._thetas.discard(memory)
            with self.device.current():
                memory.free()

    def close(self) -> None:
        """Wait for running calls, then free contexts and their memory, thetas, and engines."""
        with self._changed:
            if not self._is_open:
                return
            self._is_open = False
            self._changed.wait_for(lambda: self._n_calls == 0)
        with self.device.current():
            self.backbone_runners.free()
            self.adapt_runners.free()
            for memory in self._thetas:
                memory.free()
            self._thetas.clear()
            for engine in (self.backbone, self.adapt):
                engine.free()
