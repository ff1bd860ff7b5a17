"""Engines of TensorRT for RTX, built on the processor: no GPU is needed to learn their size and what took part."""

from __future__ import annotations

import importlib
from collections import Counter
from time import perf_counter
from types import ModuleType
from typing import Any

import click
import msgspec

__all__ = ["EngineCost", "build_engine", "load_tensorrt_rtx"]

_WORKSPACE_BYTES = 512 << 20


class EngineCost(msgspec.Struct, frozen=True):
    """One engine.

    Attributes:
        size_bytes: Of the serialised engine.
        build_seconds: On the processor, ahead of time.
        products: Convolutions and matrix products by the type that they read and write, such as `HALF to HALF`; int8
            shows as products that read what an IDequantizeLayer gives, `INT8, HALF to HALF`.
    """

    size_bytes: int
    build_seconds: float
    products: dict[str, int]


def load_tensorrt_rtx() -> ModuleType | None:
    """TensorRT for RTX, or None where it is not installed."""
    try:
        return importlib.import_module("tensorrt_rtx")
    except ImportError:
        return None


def build_engine(trt: Any, graph: bytes, profile: dict[str, tuple[tuple[int, ...], ...]]) -> EngineCost:
    """Build one strongly typed engine for compute capability 8.6.

    Args:
        trt: Of `load_tensorrt_rtx`.
        graph: Serialised ONNX model.
        profile: Least, usual and largest shape of every input whose size is not fixed.

    Raises:
        click.ClickException: The graph is refused.
    """
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        raise click.ClickException(f"TensorRT for RTX refuses the graph: {parser.get_error(0).desc()}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    shapes = builder.create_optimization_profile()
    for name, sizes in profile.items():
        shapes.set_shape(name, *sizes)
    config.add_optimization_profile(shapes)
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    start = perf_counter()
    plan = builder.build_serialized_network(network, config)
    seconds = perf_counter() - start
    if plan is None:
        raise click.ClickException("TensorRT for RTX builds no engine from the graph; its log says why")
    return EngineCost(plan.nbytes, seconds, _products(trt, network))


def _products(trt: Any, network: Any) -> dict[str, int]:
    makers: dict[str, Any] = {}
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        makers |= {layer.get_output(k).name: layer for k in range(layer.num_outputs)}
    found: Counter[str] = Counter()
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type in (trt.LayerType.CONVOLUTION, trt.LayerType.MATRIX_MULTIPLY):
            first = layer.get_input(0)
            maker = makers.get(first.name)
            dequantised = maker is not None and maker.type == trt.LayerType.DEQUANTIZE
            reads = f"{'INT8, ' if dequantised else ''}{first.dtype.name}"
            found[f"{reads} to {layer.get_output(0).dtype.name}"] += 1
    return dict(found)
