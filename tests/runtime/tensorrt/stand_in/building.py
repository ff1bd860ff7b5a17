"""Actors of the build: builder, configuration, profiles and the timing cache."""

from __future__ import annotations

import json
import weakref
from typing import TYPE_CHECKING, Any

import onnx

from stand_in.bindings import Actor
from stand_in.graph_layers import GraphLayer, graph_layers, graph_tensors
from stand_in.network import Network
from stand_in.plans import EngineDescription, write_plan
from stand_in.values import Dims, HostMemory

if TYPE_CHECKING:
    from stand_in.library import Library

__all__ = ["Builder", "Config"]

_PHASE, _INNER_PHASE = "Building Engine", "Tactic timing"
_WORDS = {"FLOAT": "FP32", "HALF": "FP16", "INT8": "Int8", "INT32": "Int32", "INT64": "Int64", "BOOL": "Bool"}


class Profile(Actor):
    """`IOptimizationProfile`."""

    binds = "IOptimizationProfile"

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[tuple[int, ...], ...]] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        shapes = tuple(tuple(int(size) for size in shape) for shape in (min, opt, max))
        if len({len(shape) for shape in shapes}) != 1:
            raise ValueError(f"Shapes provided for {input} have different numbers of dimensions: {shapes}")
        if any(not low <= usual <= high for low, usual, high in zip(*shapes, strict=True)):
            raise ValueError(f"Shapes provided for {input} are inconsistent: {shapes}")
        self.shapes[input] = shapes

    def get_shape(self, input: str) -> list[Dims]:
        return [Dims(shape) for shape in self.shapes.get(input, ())]


class TimingCache(Actor):
    """`ITimingCache`."""

    binds = "ITimingCache"

    def __init__(self, owner: bytes, n_builds: int) -> None:
        self.owner, self.n_builds = owner, n_builds

    def serialize(self) -> HostMemory:
        return HostMemory(b"timing" + self.n_builds.to_bytes(4, "little") + self.owner)


class Config(Actor):
    """`IBuilderConfig`."""

    binds = "IBuilderConfig"

    def __init__(self, library: Library, logger: Any) -> None:
        self._library, self._logger = library, logger
        self.profiles: list[Profile] = []
        self.progress_monitor: Any = None
        self.profiling_verbosity = library.bindings.member("ProfilingVerbosity", "LAYER_NAMES_ONLY")
        self.builder_optimization_level = 3
        self.flags = 1 << int(library.bindings.member("BuilderFlag", "TF32"))
        self._limits: dict[Any, int] = {}
        self._cache: TimingCache | None = None

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        self._limits[pool] = int(pool_size)

    def get_memory_pool_limit(self, pool: Any) -> int:
        return self._limits.get(pool, self._library.machine.device.memory_bytes)

    def set_flag(self, flag: Any) -> None:
        self.flags |= 1 << int(flag)

    def clear_flag(self, flag: Any) -> None:
        self.flags &= ~(1 << int(flag))

    def get_flag(self, flag: Any) -> bool:
        return bool(self.flags >> int(flag) & 1)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self.profiles)

    def add_optimization_profile(self, profile: Profile) -> int:
        if not profile.shapes:
            self._library.log(self._logger, "ERROR", "Error Code 4: API Usage Error (Optimization profile is empty.)")
            return -1
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: Any) -> TimingCache | None:
        data, owner = bytes(serialized_timing_cache), self._library.fingerprint
        if not data:
            return TimingCache(owner, 0)
        if self._library.machine.faults.timing_cache or data[:6] != b"timing":
            reason = self._library.machine.faults.timing_cache or "Timing cache header is invalid"
            self._library.log(self._logger, "ERROR", f"Error Code 1: Serialization ({reason})")
            return None
        return TimingCache(data[10:], int.from_bytes(data[6:10], "little"))

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        if cache.owner != self._library.fingerprint and not ignore_mismatch:
            self._library.log(
                self._logger, "ERROR", "Error Code 3: API Usage Error (The timing cache is of another device)"
            )
            return False
        self._cache = cache
        return True

    def get_timing_cache(self) -> TimingCache | None:
        return self._cache


class Builder(Actor):
    """`Builder`."""

    binds = "Builder"

    def __init__(self, library: Library, logger: Any) -> None:
        if library.machine.faults.builder:
            library.log(logger, "ERROR", library.machine.faults.builder)
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self._library, self.logger = library, logger
        ledger, number = library.machine.ledger, library.machine.ledger.made("builder")
        weakref.finalize(self, ledger.freed, "builder", number)

    def create_network(self, flags: int = 0) -> Network:
        return Network(self._library, int(flags))

    def create_builder_config(self) -> Config:
        return Config(self._library, self.logger)

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> HostMemory | None:
        library, faults = self._library, self._library.machine.faults
        library.machine.check_context("a build")
        if network.onnx is None:
            self._refuse("Error Code 4: API Usage Error (Network must have at least one output.)")
            return None
        model = onnx.load_model_from_string(network.onnx)
        if reason := faults.build or _why_unbuildable(model, config):
            self._refuse(reason)
            return None
        if config.progress_monitor is not None and not library.machine.in_own_thread(
            lambda: _report_progress(config.progress_monitor, len(graph_layers(model)))
        ):
            self._refuse("Error Code 10: Internal Error (Build was cancelled.)")
            return None
        if (cache := config.get_timing_cache()) is not None:
            cache.n_builds += 1
        return HostMemory(write_plan(library.version, _description(library, model, config), network.onnx))

    def _refuse(self, reason: str) -> None:
        self._library.log(self.logger, "ERROR", reason)


def _why_unbuildable(model: onnx.ModelProto, config: Config) -> str:
    for tensor in graph_tensors(model):
        if not tensor.is_input or -1 not in tensor.shape:
            continue
        if not config.profiles:
            return (
                "Error Code 4: API Usage Error (Network has dynamic or shape inputs, but no optimization profile has "
                "been defined.)"
            )
        for index, profile in enumerate(config.profiles):
            shapes = profile.shapes.get(tensor.name, ())
            fits = shapes and all(_fits(tensor.shape, shape) for shape in shapes)
            if not fits:
                return (
                    f"Error Code 4: API Usage Error ({tensor.name}: for dynamic dimensions optimization profile "
                    f"{index} must have values that fit {tensor.shape}, but has {shapes}.)"
                )
    return ""


def _fits(shape: tuple[int, ...], value: tuple[int, ...]) -> bool:
    return len(shape) == len(value) and all(size in (-1, given) for size, given in zip(shape, value, strict=True))


def _report_progress(monitor: Any, n_layers: int) -> bool:
    """Report a phase with another inside; False as soon as the monitor says no."""
    monitor.phase_start(_PHASE, None, 2)
    monitor.phase_start(_INNER_PHASE, _PHASE, n_layers)
    goes_on = all(monitor.step_complete(_INNER_PHASE, step) for step in range(n_layers))
    monitor.phase_finish(_INNER_PHASE)
    goes_on = goes_on and all(monitor.step_complete(_PHASE, step) for step in range(2))
    monitor.phase_finish(_PHASE)
    return goes_on


def _description(library: Library, model: onnx.ModelProto, config: Config) -> EngineDescription:
    is_detailed = config.profiling_verbosity.name == "DETAILED"
    layers: list[Any] = [_layer(layer) if is_detailed else layer.name for layer in graph_layers(model)]
    tensors = graph_tensors(model)
    information = json.dumps({"Layers": layers, "Bindings": [tensor.name for tensor in tensors]})
    varying = {tensor.name for tensor in tensors if tensor.is_input and -1 in tensor.shape}
    profiles = tuple(
        {name: shapes for name, shapes in profile.shapes.items() if name in varying} for profile in config.profiles
    )
    return EngineDescription(library.device_key, tensors, profiles or ({},), information)


def _layer(layer: GraphLayer) -> dict[str, Any]:
    def tensors(given: list[Any]) -> list[dict[str, str]]:
        kinds = [_WORDS.get(tensor.data_type, tensor.data_type) for tensor in given]
        return [{"Name": t.name, "Format/Datatype": f"Row major linear {k}"} for t, k in zip(given, kinds, strict=True)]

    return {
        "Name": layer.name, "LayerType": layer.kind.capitalize(), "Inputs": tensors(layer.inputs),
        "Outputs": tensors(layer.outputs),
    }  # fmt: skip
