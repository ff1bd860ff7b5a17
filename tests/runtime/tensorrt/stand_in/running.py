"""Actors that run engines, up to the execution context: runtime, engine and inspector."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import onnxruntime

from stand_in.bindings import Actor
from stand_in.execution import ExecutionContext
from stand_in.plans import BadPlan, EngineDescription, TensorDescription, read_plan
from stand_in.values import Dims

if TYPE_CHECKING:
    from stand_in.ledger import Kind
    from stand_in.library import Library
    from stand_in.machine import Machine

__all__ = ["Engine", "Runtime"]


def _ended(machine: Machine, kind: Kind, number: int) -> None:
    machine.check_alive(f"an object of kind {kind}")
    machine.ledger.freed(kind, number)


class Runtime(Actor):
    """`Runtime`."""

    binds = "Runtime"

    def __init__(self, library: Library, logger: Any) -> None:
        self._library, self.logger = library, logger
        number = library.machine.ledger.made("runtime")
        weakref.finalize(self, library.machine.ledger.freed, "runtime", number)

    def deserialize_cuda_engine(self, serialized_engine: Any) -> Engine | None:
        library = self._library
        library.machine.check_context("deserialize_cuda_engine")
        try:
            if library.machine.faults.deserialise:
                raise BadPlan(library.machine.faults.deserialise)
            description, onnx = read_plan(bytes(serialized_engine), library.version, library.device_key)
        except BadPlan as error:
            library.log(self.logger, "ERROR", f"IRuntime::deserializeCudaEngine: {error}")
            return None
        return Engine(library, self, description, onnx)


class Engine(Actor):
    """`ICudaEngine`. It keeps its runtime alive, as the bindings do."""

    binds = "ICudaEngine"

    def __init__(self, library: Library, runtime: Runtime, description: EngineDescription, onnx: bytes) -> None:
        self.library, self.runtime, self.description = library, runtime, description
        self._onnx, self._session = onnx, None
        number = library.machine.ledger.made("engine")
        weakref.finalize(self, _ended, library.machine, "engine", number)

    @property
    def session(self) -> Any:
        """The graph in onnxruntime, which computes what the engine would."""
        if self._session is None:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(self._onnx, options, providers=["CPUExecutionProvider"])
        return self._session

    @property
    def num_io_tensors(self) -> int:
        return len(self.description.tensors)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self.description.profiles)

    @property
    def name(self) -> str:
        return "Unnamed Network 0"

    def find(self, name: str) -> TensorDescription:
        """An input or output; what is none the library answers with its log and nonsense, which nobody should use."""
        for tensor in self.description.tensors:
            if tensor.name == name:
                return tensor
        self.library.machine.ledger.misuse(f"the engine was asked for {name!r}, which is no input or output")

    def get_tensor_name(self, index: int) -> str:
        return self.description.tensors[index].name

    def get_tensor_mode(self, name: str) -> Any:
        mode = "INPUT" if self.find(name).is_input else "OUTPUT"
        return self.library.bindings.member("TensorIOMode", mode)

    def get_tensor_dtype(self, name: str) -> Any:
        return self.library.bindings.member("DataType", self.find(name).data_type)

    def get_tensor_shape(self, name: str) -> Dims:
        return Dims(self.find(name).shape)

    def shape_range(self, name: str, profile_index: int) -> tuple[tuple[int, ...], ...]:
        """Least, usual and largest shape of an input; all the same where it does not vary."""
        tensor = self.find(name)
        if not tensor.is_input:
            self.library.machine.ledger.misuse(f"{name} is an output, and profiles know inputs only")
        return self.description.profiles[profile_index].get(name, (tensor.shape,) * 3)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        return [Dims(shape) for shape in self.shape_range(name, profile_index)]

    def create_execution_context(self, strategy: Any = None) -> ExecutionContext | None:
        machine = self.library.machine
        machine.check_context("create_execution_context")
        if machine.faults.execution_context:
            self.library.log(self.runtime.logger, "ERROR", machine.faults.execution_context)
            return None
        context = ExecutionContext(self)
        number = machine.ledger.made("execution context")
        weakref.finalize(context, _ended, machine, "execution context", number)
        return context

    def create_engine_inspector(self) -> Inspector:
        return Inspector(self)


class Inspector(Actor):
    """`EngineInspector`."""

    binds = "EngineInspector"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get_engine_information(self, format: Any) -> str:
        configured = self._engine.library.machine.faults.layer_information
        return self._engine.description.information if configured is None else configured
