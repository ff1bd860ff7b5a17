"""Actor of the execution context: it holds callers to the order of calls, and computes real results."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stand_in.bindings import Actor
from stand_in.streams import Queue
from stand_in.values import Dims

if TYPE_CHECKING:
    from stand_in.plans import TensorDescription
    from stand_in.running import Engine

__all__ = ["ExecutionContext"]

_NUMPY = {"FLOAT": "float32", "HALF": "float16", "INT8": "int8", "INT32": "int32", "INT64": "int64", "BOOL": "bool"}
_Shapes = dict[str, tuple[int, ...]]


class ExecutionContext(Actor):
    """`IExecutionContext`. It keeps its engine alive, as the bindings do."""

    binds = "IExecutionContext"

    def __init__(self, engine: Engine) -> None:
        self.engine, self._machine = engine, engine.library.machine
        self.active_optimization_profile = 0
        self._tensors = {tensor.name: tensor for tensor in engine.description.tensors}
        self._shapes: _Shapes = {}
        self._addresses: dict[str, int] = {}
        self._runs_in: tuple[int, Queue] | None = None

    def _enter(self, what: str) -> None:
        """Hold that no other thread uses this context now, or waits for a run of it."""
        running = self._runs_in
        if running is not None and running[0] != threading.get_ident():
            self._machine.ledger.misuse(f"{what} while another thread runs the same execution context")

    def _failed(self, reason: str) -> bool:
        self.engine.library.log(self.engine.runtime.logger, "ERROR", f"IExecutionContext::{reason}")
        return False

    def _find(self, name: str) -> TensorDescription:
        return self.engine.find(name)

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self._enter("set_optimization_profile_async")
        queue = self._machine.queues.find(int(stream_handle), "set_optimization_profile_async")
        if not 0 <= profile_index < self.engine.num_optimization_profiles:
            return self._failed(
                f"setOptimizationProfileAsync: Error Code 3: API Usage Error (no profile {profile_index})"
            )
        self.active_optimization_profile = int(profile_index)
        self._shapes, self._addresses = {}, {}
        self._run_in(queue, lambda: None)
        return True

    def set_input_shape(self, name: str, shape: Any) -> bool:
        self._enter("set_input_shape")
        tensor, given = self._find(name), tuple(int(size) for size in shape)
        least, _, largest = self.engine.shape_range(name, self.active_optimization_profile)
        if len(given) != len(tensor.shape) or not all(
            low <= size <= high for low, size, high in zip(least, given, largest, strict=True)
        ):
            return self._failed(
                f"setInputShape: Error Code 3: API Usage Error (Parameter check failed. Set dimension {list(given)} "
                f"for tensor {name} does not satisfy any optimization profiles. Valid range for profile "
                f"{self.active_optimization_profile}: {list(least)}..{list(largest)}.)"
            )
        self._shapes[name] = given
        return True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._enter("set_tensor_address")
        self._addresses[self._find(name).name] = int(memory)
        return True

    def get_tensor_address(self, name: str) -> int:
        return self._addresses.get(name, 0)

    def _missing_shapes(self) -> list[str]:
        return [
            tensor.name for tensor in self._tensors.values()
            if tensor.is_input and -1 in tensor.shape and tensor.name not in self._shapes
        ]  # fmt: skip

    @property
    def all_binding_shapes_specified(self) -> bool:
        return not self._missing_shapes()

    def infer_shapes(self) -> list[str]:
        self._enter("infer_shapes")
        return self._missing_shapes()

    def _sizes(self) -> dict[str, int]:
        """Sizes that vary, by their names in the graph, as far as the inputs' shapes tell them."""
        sizes: dict[str, int] = {}
        for name, shape in self._shapes.items():
            for dim, size in zip(self._tensors[name].dims, shape, strict=True):
                if isinstance(dim, str) and sizes.setdefault(dim, size) != size:
                    self._machine.ledger.misuse(f"{name} has {size} for {dim}, another input {sizes[dim]}")
        return sizes

    def get_tensor_shape(self, name: str) -> Dims:
        self._enter("get_tensor_shape")
        return Dims(self._shape(name))

    def _shape(self, name: str) -> tuple[int, ...]:
        sizes = self._sizes()
        return tuple(dim if isinstance(dim, int) else sizes.get(dim, -1) for dim in self._find(name).dims)

    def execute_async_v3(self, stream_handle: int) -> bool:
        self._enter("execute_async_v3")
        machine, reason = self._machine, self._machine.faults.execute
        machine.check_context("execute_async_v3")
        queue = machine.queues.find(int(stream_handle), "execute_async_v3")
        if missing := self._missing_shapes():
            machine.ledger.misuse(f"execute_async_v3 without a shape of {', '.join(missing)}")
        if missing := [name for name in self._tensors if not self._addresses.get(name)]:
            machine.ledger.misuse(f"execute_async_v3 without an address of {', '.join(missing)}")
        if self._runs_in is not None and self._runs_in[1] is not queue:
            machine.ledger.misuse("execute_async_v3 while the same execution context has work in another stream")
        if reason:
            return self._failed(f"enqueueV3: {reason}")
        shapes = {name: self._shape(name) for name in self._tensors}
        addresses = dict(self._addresses)
        self._run_in(queue, lambda: self._compute(shapes, addresses))
        return True

    def _run_in(self, queue: Queue, work: Any) -> None:
        self._runs_in = threading.get_ident(), queue

        def run() -> None:
            try:
                work()
            finally:
                self._runs_in = None

        queue.put(run)

    def _compute(self, shapes: _Shapes, addresses: dict[str, int]) -> None:
        views = {name: self._view(name, shapes[name], addresses[name]) for name in self._tensors}
        inputs = {name: view.copy() for name, view in views.items() if self._tensors[name].is_input}
        outputs = [name for name in views if name not in inputs]
        for name, value in zip(outputs, self.engine.session.run(outputs, inputs), strict=True):
            views[name][...] = value

    def _view(self, name: str, shape: tuple[int, ...], address: int) -> NDArray[Any]:
        kind = np.dtype(_NUMPY[self._tensors[name].data_type])
        data = self._machine.memory.view(address, math.prod(shape) * kind.itemsize, f"{name} in execute_async_v3")
        return data.view(kind).reshape(shape)
