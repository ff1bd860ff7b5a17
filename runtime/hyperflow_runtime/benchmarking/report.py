"""The result of a benchmark, with all that another result must share to be compared with it."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from hyperflow_runtime.benchmarking.settings import BenchmarkSettings
from hyperflow_runtime.board.conditions import Conditions
from hyperflow_runtime.board.identity import Board
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.measuring import StageLatency

__all__ = ["BenchmarkReport", "TimedBundle", "describe_bundle"]


class TimedBundle(msgspec.Struct, frozen=True):
    """Which bundle was timed.

    Attributes:
        name: From its manifest.
        graphs_sha256: Hash of its two graphs; exports that differ in their notes alone have the same.
    """

    name: str
    graphs_sha256: str


class BenchmarkReport(msgspec.Struct, frozen=True, kw_only=True):
    """Times of every stage, and under which conditions they were measured.

    Attributes:
        schema: Of this layout.
        bundle: What was timed.
        backend: What ran it, such as `onnxruntime`.
        backend_name: The same with version and device.
        board: Where.
        conditions: State of the board when it began.
        warnings: Reasons why the figures may be slower than they could be, or not repeat.
        settings: Sizes and repetitions.
        software: Version of each package that takes part.
        open_ms: From the bundle on disk to the first features.
        stages: Timed in turns.
    """

    schema: Literal[1] = 1
    bundle: TimedBundle
    backend: str
    backend_name: str
    board: Board
    conditions: Conditions
    warnings: tuple[str, ...]
    settings: BenchmarkSettings
    software: dict[str, str]
    open_ms: float
    stages: tuple[StageLatency, ...]


def describe_bundle(bundle: Bundle) -> TimedBundle:
    """Name and graphs of a bundle."""
    graphs = hashlib.sha256(bundle.backbone_onnx)
    graphs.update(bundle.adapt_onnx)
    return TimedBundle(bundle.manifest.name, graphs.hexdigest())
