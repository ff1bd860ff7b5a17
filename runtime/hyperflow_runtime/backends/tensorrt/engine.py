"""One plan, deserialised and held to the manifest's shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperflow_runtime.backends.tensorrt.library import TensorRTLibrary
from hyperflow_runtime.backends.tensorrt.logger import make_logger
from hyperflow_runtime.bundle.signature import Signature
from hyperflow_runtime.engines.plan_header import check_plan
from hyperflow_runtime.errors import BackendError, EngineError

__all__ = ["LoadedEngine"]

_Shape = tuple[int, ...]


class LoadedEngine:
    """An engine in the GPU's memory. Called with the device's context current.

    Attributes:
        title: What it is, for messages.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
    """

    def __init__(self, library: TensorRTLibrary, plan: bytes, signature: Signature, title: str) -> None:
        """Deserialise a plan.

        Args:
            library: The one that built it.
            plan: All of its bytes.
            signature: Names and shapes that it must have.
            title: What it is, for messages.

        Raises:
            EngineError: TensorRT refuses the plan, or it has other inputs and outputs.
        """
        check_plan(plan, library.name, library.version_numbers)
        self.title, self._library, self._log = title, library, make_logger(library)
        self._log.clear()
        # The engine refers to the runtime that made it.
        self._runtime: Any = library.module.Runtime(self._log.logger)
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(f"{library} refuses the engine of {title} ({self._log.explain()})")
        self.inputs, self.outputs = self._checked_names(signature)
        self._ranges = [self._profile(index) for index in range(self._engine.num_optimization_profiles)]

    def _checked_names(self, signature: Signature) -> tuple[tuple[str, ...], tuple[str, ...]]:
        engine, module = self._engine, self._library.module
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        inputs = tuple(name for name in names if engine.get_tensor_mode(name) == module.TensorIOMode.INPUT)
        outputs = tuple(name for name in names if name not in inputs)
        for kind, found, expected in (("input", inputs, signature.inputs), ("output", outputs, signature.outputs)):
            if set(found) != set(expected):
                raise EngineError(f"the engine of {self.title} has {kind}s {found}, expected {tuple(expected)}")
            for name in found:
                have, want = tuple(engine.get_tensor_shape(name)), expected[name]
                agrees = len(have) == len(want) and all(w is None or w == h for w, h in zip(want, have, strict=True))
                if not agrees or engine.get_tensor_dtype(name) != module.DataType.FLOAT:
                    raise EngineError(
                        f"the engine of {self.title}: {kind} {name} is {engine.get_tensor_dtype(name)} {have}, the "
                        f"manifest says float32 {want}; build it again: hyperflow-export engine --force"
                    )
        return inputs, outputs

    def _profile(self, index: int) -> dict[str, tuple[_Shape, _Shape]]:
        """Least and largest shape of each input in one profile."""
        found = {}
        for name in self.inputs:
            least, _, largest = self._engine.get_tensor_profile_shape(name, index)
            found[name] = (tuple(least), tuple(largest))
        return found

    def profile_for(self, shapes: Mapping[str, _Shape]) -> int:
        """Index of the first profile that takes inputs of these shapes.

        Raises:
            BackendError: None does.
        """
        for index, ranges in enumerate(self._ranges):
            if all(_within(shape, *ranges[name]) for name, shape in shapes.items()):
                return index
        largest = {name: self._ranges[-1][name] for name in shapes}
        raise BackendError(
            f"the engine of {self.title} takes no inputs of the shapes {dict(shapes)}; least and largest are {largest}."
            " Give it less, or export a bundle with a larger --max-batch, --max-support or --max-ways"
        )

    def largest(self, name: str, profile: int) -> _Shape:
        """Largest shape of an input in a profile."""
        return self._ranges[profile][name][1]

    def new_context(self) -> Any:
        """Make an execution context, with memory of its own for what layers pass to each other.

        Raises:
            BackendError: There is too little memory.
        """
        before = self.last_error
        context = self._engine.create_execution_context()
        if context is None:
            said = self._log.explain(after=before)
            raise BackendError(f"no execution context for {self.title} ({said}); free some memory")
        return context

    @property
    def last_error(self) -> int:
        """Number of the last error that TensorRT told, for `failure`."""
        return self._log.last_number

    def failure(self, what: str, after: int) -> BackendError:
        """Turn a call that returned False into an error, with what TensorRT said after an earlier error."""
        return BackendError(f"{self.title}: {what} failed in {self._library} ({self._log.explain(after=after)})")

    def free(self) -> None:
        """Drop the engine, then the runtime that made it."""
        self._engine = None
        self._runtime = None


def _within(shape: _Shape, least: _Shape, largest: _Shape) -> bool:
    return len(shape) == len(least) and all(
        low <= size <= high for size, low, high in zip(shape, least, largest, strict=True)
    )
