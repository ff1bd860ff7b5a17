"""One build: parse, check the precision, configure, build, check what was built."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from hyperflow_export.engine.configuration import configure
from hyperflow_export.engine.engine_layers import engine_information, layer_precisions
from hyperflow_export.engine.interruption import run_interruptibly
from hyperflow_export.engine.monitor import PhaseListener, make_monitor
from hyperflow_export.engine.network import ParsedGraph, parse_graph
from hyperflow_export.engine.plan_weights import check_plan_weights
from hyperflow_export.engine.precision_rules import check_layers, check_products, graph_precision
from hyperflow_export.engine.products import Product, find_products, products_by_precision
from hyperflow_export.engine.target import Target
from hyperflow_export.engine.timing_cache import attach_timing_cache, save_timing_cache
from hyperflow_export.errors import EngineBuildError
from hyperflow_runtime.backends.tensorrt.logger import MessageLog, make_logger
from hyperflow_runtime.bundle.manifest import Precision
from hyperflow_runtime.engines.key import EngineKey
from hyperflow_runtime.engines.plan_header import check_plan

__all__ = ["BuiltPlan", "build_plan"]


@dataclass(frozen=True)
class BuiltPlan:
    """What a build made.

    Attributes:
        plan: TensorRT's bytes.
        seconds: From parsing to the last check.
        precisions: Layers of each precision in the engine; where it does not tell, products of each in its network.
    """

    plan: bytes
    seconds: float
    precisions: dict[str, int]


def build_plan(
    key: EngineKey, onnx: bytes, target: Target, *,
    timing_path: Path | None = None, listener: PhaseListener | None = None,
) -> BuiltPlan:  # fmt: skip
    """Build a graph's plan. Ctrl-C stops it at TensorRT's next step.

    Args:
        key: What it is built for, made for the same target.
        onnx: The graph, weights included.
        target: Whose library builds, and where.
        timing_path: File of the timing cache, read before and written after; None for none. TensorRT for RTX times
            nothing, and gets none.
        listener: Told how far it is.

    Raises:
        EngineBuildError: The graph is refused, the build fails, or there is too little memory; with TensorRT's reasons.
        PrecisionError: The graph or the engine computes in another precision than the key says.
        EngineError: The timing cache's folder cannot be used.
        BackendError: The device gives no context.
        KeyboardInterrupt: Ctrl-C; nothing was written.
    """
    if target.library.name == "tensorrt_rtx":
        timing_path = None

    def work(cancelled: Event) -> BuiltPlan:
        # TensorRT uses the context that is current in its thread.
        with target.current():
            return _built(key, onnx, target, timing_path, listener, cancelled)

    return run_interruptibly(work)


def _built(
    key: EngineKey, onnx: bytes, target: Target, timing_path: Path | None, listener: PhaseListener | None,
    cancelled: Event,
) -> BuiltPlan:  # fmt: skip
    start, title, log = time.perf_counter(), f"{key.graph}.onnx", make_logger(target.library)
    parsed = parse_graph(target.library, onnx, title)
    precision, products = graph_precision(key.graph, key.precision), find_products(parsed)
    check_products(products, precision, title)
    monitor = make_monitor(target.library, listener, cancelled)
    config = configure(parsed, key, monitor)
    if timing_path is not None:
        attach_timing_cache(config, timing_path, log)
    plan = _serialised(parsed, config, cancelled)
    if timing_path is not None:
        save_timing_cache(config, timing_path)
    check_plan(plan, target.library.name, target.library.version_numbers)
    precisions = _obtained(plan, products, precision, target, title)
    return BuiltPlan(plan, time.perf_counter() - start, precisions)


def _obtained(plan: bytes, products: list[Product], precision: Precision, target: Target, title: str) -> dict[str, int]:
    """Check the precision of what was built: by its weights where a plan shows them, by its layers where they tell."""
    shows_weights = target.library.name == "tensorrt_rtx"
    if shows_weights:
        check_plan_weights(products, plan, title)
    layers = {} if target.device is None else layer_precisions(engine_information(target.library, plan, title))
    if shows_weights and not layers:
        return products_by_precision(products)
    check_layers(layers, precision, title)
    return layers


def _serialised(parsed: ParsedGraph, config: Any, cancelled: Event) -> bytes:
    log = make_logger(parsed.library)
    log.clear()
    built = parsed.builder.build_serialized_network(parsed.network, config)
    if built is None:
        if cancelled.is_set():
            raise EngineBuildError(f"the build of {parsed.title} was stopped; nothing was written")
        raise EngineBuildError(f"{parsed.library} cannot build {parsed.title} ({_explained(log)})")
    return bytes(built)


def _explained(log: MessageLog) -> str:
    said = log.explain()
    if "Turing" in said:
        said += "; leave 75 out: TensorRT for RTX has no fp32 matrix products for it, and every drift has some"
    return said
