"""What one method is asked to do, and what it turned out to cost. Passed between processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

import msgspec
import numpy as np
from memory import PeakMemory, PeakMethod, memory_resolution_mb

__all__ = ["Cost", "Scope", "Task", "cost_of", "timed"]

Scope = Literal["affine", "full"]
"""What fine-tuning trains: theta, or every weight of the backbone."""


@dataclass(frozen=True)
class Task:
    """One adaptation problem and how to measure it.

    Attributes:
        bundle: Folder of the bundle.
        checkpoint: Folder of the checkpoint that the bundle was exported from.
        support: File of support images, uint8 RGB (N * S, side, side, 3), class after class.
        n_way: Classes N.
        n_shot: Shots S a class.
        n_steps: Optimiser steps of fine-tuning.
        repetitions: Timed adaptations by HyperFlow.
        n_threads: Threads that every method may use.
        seed: Of the augmentation.
    """

    bundle: Path
    checkpoint: Path
    support: Path
    n_way: int
    n_shot: int
    n_steps: int
    repetitions: int
    n_threads: int
    seed: int


class Cost(msgspec.Struct, frozen=True):
    """Cost of one method, measured in a process of its own.

    Attributes:
        method: What was measured.
        seconds: One adaptation: the median of HyperFlow's repetitions, or the sum over the steps of fine-tuning.
        seconds_p95: 95th percentile of the repetitions; for fine-tuning, `seconds`.
        peak_mb: `increase_mb`, but never less than what can be resolved (see `memory.memory_resolution_mb`).
        increase_mb: Measured growth of the resident memory during one adaptation, over the state just before.
        increase_repeated_mb: The same over all repetitions: what allocators kept of earlier ones comes on top.
        before_mb: Resident just before: interpreter, libraries, weights, support images.
        repetitions: Adaptations that were timed.
        memory_method: How the peak was found.
        stages_ms: Milliseconds of parts of one adaptation, where the method knows them.
    """

    method: str
    seconds: float
    seconds_p95: float
    peak_mb: float
    increase_mb: float
    increase_repeated_mb: float
    before_mb: float
    repetitions: int
    memory_method: PeakMethod
    stages_ms: dict[str, float]


def cost_of(
    method: str, first: PeakMemory, later: PeakMemory, seconds: list[float], stages_ms: dict[str, float]
) -> Cost:
    """Sum up what was measured.

    Args:
        method: What was measured.
        first: Memory of the first adaptation.
        later: Memory of those after it.
        seconds: Of each repetition that counts.
        stages_ms: See `Cost`.
    """
    return Cost(
        method=method,
        seconds=float(np.median(seconds)),
        seconds_p95=float(np.percentile(seconds, 95)),
        peak_mb=max(first.increase_mb, memory_resolution_mb()),
        increase_mb=first.increase_mb,
        increase_repeated_mb=max(first.increase_mb, later.before_mb + later.increase_mb - first.before_mb),
        before_mb=first.before_mb,
        repetitions=len(seconds),
        memory_method=first.method,
        stages_ms=stages_ms,
    )


def timed(call: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = perf_counter()
    call()
    return perf_counter() - start
