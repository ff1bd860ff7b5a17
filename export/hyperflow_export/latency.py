"""Latency of a bundle's stages in onnxruntime, each against a named neighbour."""

from __future__ import annotations

import msgspec
import numpy as np

from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.measuring import StageLatency, TimedCall, time_in_turns

__all__ = ["LatencyReport", "measure_latency"]


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
    calls = {
        "backbone, theta as input": TimedCall(lambda: backend.encode(images, theta)),
        "backbone, theta constant": TimedCall(lambda: baked.encode(images)),
        f"drift, {bundle.manifest.adaptation.n_steps} steps": TimedCall(lambda: backend.adapt(features, onehot, 1.0)),
    }
    stages = time_in_turns(calls, repetitions=repetitions, warm_up=warm_up)
    backend.close()
    return LatencyReport("onnxruntime (CPU)", batch, n_way, n_shot, stages, stages[0].p50_ms / stages[1].p50_ms)
