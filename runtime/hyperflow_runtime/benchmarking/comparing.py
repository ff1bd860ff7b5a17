"""A result against a stored one: how many times as long each stage takes, and whether the two may be compared."""

from __future__ import annotations

import msgspec

from hyperflow_runtime.benchmarking.report import BenchmarkReport

__all__ = ["Comparison", "StageRatio", "compare_reports", "differences"]


class StageRatio(msgspec.Struct, frozen=True):
    """One stage in both results.

    Attributes:
        name: Of the stage.
        stored_ms: Median of the stored result.
        now_ms: Median now.
        ratio: How many times as long it takes now.
        is_slower: Whether that is above the tolerance.
    """

    name: str
    stored_ms: float
    now_ms: float
    ratio: float
    is_slower: bool


class Comparison(msgspec.Struct, frozen=True):
    """All stages that both results have.

    Attributes:
        tolerance: Largest ratio that passes.
        stages: In the order of the new result.
        passed: Whether no stage is slower than that.
        differences: What else differs between the two results.
    """

    tolerance: float
    stages: tuple[StageRatio, ...]
    passed: bool
    differences: tuple[str, ...]


def differences(now: BenchmarkReport, stored: BenchmarkReport) -> tuple[str, ...]:
    """Why two results cannot be compared, stored first; empty where they can.

    Versions of the software are not among the reasons: that an update made something slower is what to find out.
    """
    pairs = [
        ("board", stored.board.slug, now.board.slug),
        ("power mode", _power(stored), _power(now)),
        ("bundle", stored.bundle.name, now.bundle.name),
        ("graphs", stored.bundle.graphs_sha256[:12], now.bundle.graphs_sha256[:12]),
        ("backend", stored.backend, now.backend),
        ("shape", _shape(stored), _shape(now)),
        ("threads", stored.settings.n_threads or "all", now.settings.n_threads or "all"),
    ]
    return tuple(f"{name} {before} -> {after}" for name, before, after in pairs if before != after)


def _power(report: BenchmarkReport) -> str:
    mode = report.conditions.power_mode
    return "none" if mode is None else mode.name or "unknown"


def _shape(report: BenchmarkReport) -> str:
    settings = report.settings
    width, height = settings.frame_px
    return f"{settings.n_way}-way {settings.n_shot}-shot, batch {settings.batch_size}, {width}x{height} px"


def compare_reports(now: BenchmarkReport, stored: BenchmarkReport, *, tolerance: float) -> Comparison:
    """Divide the medians of the stages that both results have.

    Args:
        now: New result.
        stored: What it is held against.
        tolerance: Largest ratio that passes, above 0.
    """
    before = {stage.name: stage.p50_ms for stage in stored.stages if stage.p50_ms > 0.0}
    stages = []
    for stage in now.stages:
        if stage.name in before:
            ratio = stage.p50_ms / before[stage.name]
            stages.append(StageRatio(stage.name, before[stage.name], stage.p50_ms, ratio, ratio > tolerance))
    passed = bool(stages) and not any(stage.is_slower for stage in stages)
    return Comparison(tolerance, tuple(stages), passed, differences(now, stored))
