"""The GPU that a stand-in pretends to be, and what is to go wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ORIN_NANO", "RTX_4090", "DeviceSpec", "Faults"]


@dataclass(frozen=True)
class DeviceSpec:
    """A GPU.

    Attributes:
        name: As the driver gives it.
        compute_capability: Major and minor.
        n_multiprocessors: Its streaming multiprocessors.
        is_integrated: Whether it shares the processor's memory.
        memory_bytes: Most that may be allocated on it.
        pinned_bytes: Most page-locked memory of the processor.
    """

    name: str
    compute_capability: tuple[int, int]
    n_multiprocessors: int
    is_integrated: bool
    memory_bytes: int = 2**30
    pinned_bytes: int = 2**30


ORIN_NANO = DeviceSpec("Orin (nvgpu)", (8, 7), 8, is_integrated=True)
RTX_4090 = DeviceSpec("NVIDIA GeForce RTX 4090", (8, 9), 128, is_integrated=False)


@dataclass
class Faults:
    """What is to go wrong, from now on. An empty text is no fault; others are what the library logs as an ERROR.

    Attributes:
        no_driver: CUDA finds no device.
        no_context: The device gives no primary context.
        builder: `Builder(...)` fails.
        parse: `OnnxParser.parse` returns False and reports this.
        build: `build_serialized_network` returns None.
        timing_cache: `create_timing_cache` returns None for whatever it is given.
        deserialise: `deserialize_cuda_engine` returns None.
        execution_context: `create_execution_context` returns None.
        execute: `execute_async_v3` returns False.
        layer_information: What the engine inspector answers, in place of what follows from the graph.
    """

    no_driver: bool = False
    no_context: bool = False
    builder: str = ""
    parse: str = ""
    build: str = ""
    timing_cache: str = ""
    deserialise: str = ""
    execution_context: str = ""
    execute: str = ""
    layer_information: str | None = None
