"""Find an engine in the cache, or build it there; two processes never build the same one at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from hyperflow_export.engine.building import build_plan
from hyperflow_export.engine.keys import engine_key
from hyperflow_export.engine.monitor import PhaseListener
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import Target
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import graph_bytes
from hyperflow_runtime.engines.folder import only_one
from hyperflow_runtime.engines.key import EngineKey, GraphName
from hyperflow_runtime.engines.record import EngineRecord
from hyperflow_runtime.errors import EngineError

__all__ = ["Ensured", "Plan", "ensure_engine", "plan_engine"]


@dataclass(frozen=True)
class Plan:
    """What is to happen for one graph.

    Attributes:
        key: Of the engine.
        cached: The engine that is there already and whole; None where one must be built.
        reason: Why one must be built; empty where none must.
    """

    key: EngineKey
    cached: EngineRecord | None
    reason: str


@dataclass(frozen=True)
class Ensured:
    """An engine that is in the cache now.

    Attributes:
        record: What lies beside its plan.
        path: Of the plan.
        was_built: False where it was there already.
        reason: Why it was built; empty where it was not.
    """

    record: EngineRecord
    path: Path
    was_built: bool
    reason: str


def plan_engine(
    bundle: Bundle, graph: GraphName, target: Target, settings: BuildSettings, cache: EngineCache, *,
    force: bool = False,
) -> Plan:  # fmt: skip
    """Look whether a graph's engine is in the cache, and say why it must be built if not. Builds nothing.

    Raises:
        EngineError: The cache may be written by others.
    """
    key = engine_key(bundle, graph, target, settings)
    cached = cache.find(key)
    if cached is None:
        return Plan(key, None, cache.why_absent(key))
    try:
        cache.read_plan(cached)
    except EngineError as error:
        return Plan(key, None, str(error).split(";")[0])
    return Plan(key, None, "--force") if force else Plan(key, cached, "")


def ensure_engine(
    bundle: Bundle, graph: GraphName, target: Target, settings: BuildSettings, cache: EngineCache, *,
    force: bool = False, listener: PhaseListener | None = None, waiting: Callable[[], None] = lambda: None,
) -> Ensured:  # fmt: skip
    """Find or build the engine of a graph.

    Args:
        bundle: Whose graph.
        graph: Which of the two.
        target: For whom.
        settings: How.
        cache: Where it lies, or will.
        force: Build it even if it is there.
        listener: Told how far a build is.
        waiting: Called once when another process is building the same engine.

    Raises:
        EngineError: The cache cannot be used.
        EngineBuildError: The build failed; the cache is as before.
        PrecisionError: The graph or the engine computes in another precision than the bundle says.
        BackendError: The device gives no context.
        KeyboardInterrupt: Ctrl-C; the cache is as before.
    """
    key = engine_key(bundle, graph, target, settings)
    others: list[bool] = []

    def note_and_wait() -> None:
        others.append(True)
        waiting()

    with only_one(cache.lock_path(key), waiting=note_and_wait):
        # Whoever waited takes what the other has just built, even if told to build anew.
        plan = plan_engine(bundle, graph, target, settings, cache, force=force and not others)
        if plan.cached is not None:
            record = _preferred(plan.cached, cache)
            return Ensured(record, cache.plan_path(key), was_built=False, reason="")
        record = _built(bundle, key, target, settings, cache, listener)
    return Ensured(record, cache.plan_path(key), was_built=True, reason=plan.reason)


def _preferred(record: EngineRecord, cache: EngineCache) -> EngineRecord:
    """What was asked for last is what the runtime shall use, if there are others."""
    others = [other for other in cache.records() if other.key.graph_sha256 == record.key.graph_sha256]
    return record if others[0].key == record.key else cache.prefer(record, _now())


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def _built(
    bundle: Bundle, key: EngineKey, target: Target, settings: BuildSettings, cache: EngineCache,
    listener: PhaseListener | None,
) -> EngineRecord:  # fmt: skip
    timing_path = None
    if settings.use_timing_cache and key.device is not None:
        timing_path = cache.timing_path(key.library, key.library_version, key.device)
    built = build_plan(key, graph_bytes(bundle, key.graph), target, timing_path=timing_path, listener=listener)
    record = EngineRecord(
        key=key,
        bundle_name=bundle.manifest.name,
        plan_sha256=hashlib.sha256(built.plan).hexdigest(),
        size_bytes=len(built.plan),
        build_seconds=round(built.seconds, 3),
        created=_now(),
        precisions=built.precisions,
    )
    cache.store(record, built.plan)
    return record
