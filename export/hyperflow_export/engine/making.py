"""Both engines of a bundle: found or built, then compared where there is a GPU to run them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from hyperflow_export.engine.ensuring import Ensured, ensure_engine
from hyperflow_export.engine.monitor import PhaseListener
from hyperflow_export.engine.self_test import SelfTestReport, has_passed, run_self_test
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import Target
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import GRAPHS

__all__ = ["EnginesReport", "make_engines"]


@dataclass(frozen=True)
class EnginesReport:
    """What was done.

    Attributes:
        engines: Of the backbone and of the drift.
        self_test: What came of it; None where it did not run.
        passed: Whether the runtime will use the engines here; None where it must still be found out on their device.
    """

    engines: tuple[Ensured, ...]
    self_test: SelfTestReport | None
    passed: bool | None


def make_engines(
    bundle: Bundle, target: Target, settings: BuildSettings, cache: EngineCache, *,
    force: bool = False, self_test: bool = True, announce: Callable[[Ensured], None] = lambda engine: None,
    waiting: Callable[[], None] = lambda: None,
    listening: Callable[[], AbstractContextManager[PhaseListener | None]] = nullcontext,
) -> EnginesReport:  # fmt: skip
    """Find or build the engines, and compare their results with the reference data and with onnxruntime.

    Args:
        bundle: Whose graphs.
        target: For whom.
        settings: How.
        cache: Where the engines lie, or will.
        force: Build them even if they are there.
        self_test: Compare; never done ahead of time, and not repeated for engines that have passed.
        announce: Called after each engine.
        waiting: Called when another process is building the same engine.
        listening: Entered for each build; gives what is told how far it is.

    Raises:
        EngineError: The cache cannot be used, or an engine is refused.
        EngineBuildError: A build failed.
        PrecisionError: A graph or an engine computes in another precision than the bundle says.
        BackendError: No GPU, or too little memory.
        BundleError: The reference data is torn.
        KeyboardInterrupt: Ctrl-C; nothing half-written is left.
    """
    engines = []
    for graph in GRAPHS:
        with listening() as listener:
            engine = ensure_engine(
                bundle, graph, target, settings, cache, force=force, listener=listener, waiting=waiting
            )
        engines.append(engine)
        announce(engine)
    if target.device is None:
        return EnginesReport(tuple(engines), None, None)
    if all(has_passed(engine.record, bundle, target.device_index) for engine in engines):
        return EnginesReport(tuple(engines), None, True)
    if not self_test:
        return EnginesReport(tuple(engines), None, None)
    report = run_self_test(bundle, target.library.name, cache, target.device_index)
    return EnginesReport(tuple(engines), report, report.passed)
