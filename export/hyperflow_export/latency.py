"""Latency of a bundle's stages in onnxruntime, each against a named neighbour."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import numpy as np

from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.bundle.reader import Bundle

__all__ = ["LatencyReport", "StageLatency", "measure_latency"]


class StageLatency(msgspec.Struct, frozen=True):
    """Milliseconds of one call over the repetitions."""

    name: str
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class LatencyReport(msgspec.Struct, frozen=True):
    """All stages, measured in turns so that a disturbance meets all of them alike.

    Attributes:
        backend: What ran.
        batch: Images a call of the backbone.
        n_way: Classes of the drift's support.
        n_shot: Shots a class.
        stages: One for each stage.
        theta_input_ratio: Median of the graph with theta as an input over the same graph with theta constant.
    """

    backend: str
    batch: int
    n_way: int
    n_shot: int
    stages: tuple[StageLatency, ...]
    theta_input_ratio: float


def _timed_in_turns(calls: dict[str, Callable[[], object]], repetitions: int, warm_up: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in calls}
    for index in range(warm_up + repetitions):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if index >= warm_up:
                times[name].append((time.perf_counter() - start) * 1e3)
    return times


def _summary(name: str, times_ms: list[float]) -> StageLatency:
    p50, p95, p99 = np.percentile(times_ms, [50, 95, 99])
    return StageLatency(name, float(np.mean(times_ms)), float(p50), float(p95), float(p99))


def measure_latency(
    bundle: Bundle, *, batch: int = 1, n_way: int = 5, n_shot: int = 5, repetitions: int = 100, warm_up: int = 10,
    n_threads: int | None = None,
) -> LatencyReport:  # fmt: skip
    """Time the backbone with theta as an input, the same with theta constant, and the drift.

    Args:
        bundle: Checked by `read_bundle`.
        batch: Images a call of the backbone.
        n_way: Classes of the drift's support.
        n_shot: Shots a class.
        repetitions: Timed calls of each stage.
        warm_up: Calls before that.
        n_threads: Threads a run may use.

    Raises:
        BackendError: A graph is refused or fails.
    """
    backend = OnnxRuntimeBackend(bundle, n_threads=n_threads)
    rng = np.random.default_rng(0)
    side, theta = bundle.manifest.preprocessing.size_px, bundle.theta_0
    images = rng.standard_normal((batch, 3, side, side), dtype=np.float32)
    features = rng.random((n_way * n_shot, bundle.manifest.feature_dim), dtype=np.float32)
    onehot = np.eye(n_way, dtype=np.float32).repeat(n_shot, axis=0)
    baked = backend.baked(theta)
    calls: dict[str, Callable[[], object]] = {
        "backbone, theta as input": lambda: backend.encode(images, theta),
        "backbone, theta constant": lambda: baked.encode(images),
        f"drift, {bundle.manifest.adaptation.n_steps} steps": lambda: backend.adapt(features, onehot, 1.0),
    }
    times = _timed_in_turns(calls, repetitions, warm_up)
    stages = tuple(_summary(name, values) for name, values in times.items())
    backend.close()
    return LatencyReport("onnxruntime (CPU)", batch, n_way, n_shot, stages, stages[0].p50_ms / stages[1].p50_ms)
