"""One execution context with memory and a stream of its own: it serves one call at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from hyperflow_runtime.backends.protocol import Array
from hyperflow_runtime.backends.tensorrt.buffers import DeviceArray, SharedArray
from hyperflow_runtime.backends.tensorrt.cuda import CudaDevice
from hyperflow_runtime.backends.tensorrt.engine import LoadedEngine
from hyperflow_runtime.errors import BackendError

__all__ = ["Runner"]


class Runner:
    """Runs an engine under one of its profiles. Called with the device's context current."""

    def __init__(self, engine: LoadedEngine, device: CudaDevice, profile: int, device_inputs: tuple[str, ...]) -> None:
        """Allocate for the largest shapes of the profile.

        Args:
            engine: What to run.
            device: Where.
            profile: Index of the optimisation profile.
            device_inputs: Inputs that lie in device memory, such as theta; all others are written for each call.

        Raises:
            BackendError: There is too little memory.
        """
        self._engine, self._driver, self._stream = engine, device.driver, device.driver.Stream()
        self._last_error = engine.last_error
        self._inputs: dict[str, SharedArray | DeviceArray] = {}
        self._outputs: dict[str, SharedArray] = {}
        self._context: Any = None
        try:
            self._context = engine.new_context()
            self._select(profile)
            self._allocate(device, profile, device_inputs)
        except BaseException:
            self.free()
            raise

    def _allocate(self, device: CudaDevice, profile: int, device_inputs: tuple[str, ...]) -> None:
        for name in self._engine.inputs:
            largest = self._engine.largest(name, profile)
            kind = DeviceArray if name in device_inputs else SharedArray
            self._inputs[name] = kind(device, math.prod(largest))
            self._set_shape(name, largest)
        self._infer_shapes()
        for name in self._engine.outputs:
            self._outputs[name] = SharedArray(device, math.prod(self._shape(name)))
        for name, array in {**self._inputs, **self._outputs}.items():
            self._set_address(name, array.pointer)

    def _select(self, profile: int) -> None:
        if profile and not self._context.set_optimization_profile_async(profile, self._stream.handle):
            raise self._failure(f"choosing profile {profile}")
        self._stream.synchronize()

    def _set_shape(self, name: str, shape: tuple[int, ...]) -> None:
        if not self._context.set_input_shape(name, shape):
            raise self._failure(f"an input {name} of shape {shape}")

    def _set_address(self, name: str, pointer: int) -> None:
        if not self._context.set_tensor_address(name, pointer):
            raise self._failure(f"setting the address of {name}")

    def _infer_shapes(self) -> None:
        if missing := self._context.infer_shapes():
            raise self._failure(f"finding the shapes that follow from {', '.join(missing)}")

    def _failure(self, what: str) -> BackendError:
        return self._engine.failure(what, self._last_error)

    def _shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._context.get_tensor_shape(name))

    def run(self, inputs: Mapping[str, Array], resident: Mapping[str, DeviceArray]) -> dict[str, Array]:
        """Run once and wait for it.

        Args:
            inputs: Values to write, within the profile.
            resident: Inputs that lie in device memory already.

        Returns:
            Each output, with as many rows as follow from the inputs.

        Raises:
            BackendError: TensorRT refuses or fails.
        """
        self._last_error = self._engine.last_error
        try:
            return self._run(inputs, resident)
        except BaseException:
            with suppress(self._driver.Error):  # what is queued reads arrays that end with this call
                self._stream.synchronize()
            raise

    def _run(self, inputs: Mapping[str, Array], resident: Mapping[str, DeviceArray]) -> dict[str, Array]:
        # Not ascontiguousarray, which makes a scalar an array of one.
        values = {name: np.asarray(array, np.float32, order="C") for name, array in inputs.items()}
        for name, array in values.items():
            self._inputs[name].write(array, self._stream)
            self._set_shape(name, array.shape)
            self._set_address(name, self._inputs[name].pointer)
        for name, memory in resident.items():
            self._set_address(name, memory.pointer)
        self._infer_shapes()
        if not self._context.execute_async_v3(self._stream.handle):
            raise self._failure(f"a run on inputs { ({name: array.shape for name, array in values.items()}) }")
        shapes = {name: self._shape(name) for name in self._outputs}
        for name, output in self._outputs.items():
            output.fetch(math.prod(shapes[name]), self._stream)
        self._stream.synchronize()
        return {name: output.read(shapes[name]) for name, output in self._outputs.items()}

    def free(self) -> None:
        """Drop the context, then the memory it used."""
        self._context = None
        for array in (*self._inputs.values(), *self._outputs.values()):
            array.free()
        self._inputs, self._outputs, self._stream = {}, {}, None
