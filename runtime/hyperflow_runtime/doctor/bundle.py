"""Running a bundle once on every backend at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hyperflow_runtime.bundle.reader import read_bundle
from hyperflow_runtime.doctor.facts import BundleFacts
from hyperflow_runtime.doctor.finding import Finding
from hyperflow_runtime.doctor.probing import Probe, probe
from hyperflow_runtime.errors import BundleError

__all__ = ["examine_bundle"]

_TIMEOUT_S = 180.0


def examine_bundle(path: Path, backends: Sequence[str], engine_cache: Path) -> tuple[Finding, ...]:
    """Open a bundle, adapt to two classes, and predict, on each backend in a process of its own.

    Args:
        path: The folder `NAME.hyperflow`.
        backends: Those at hand.
        engine_cache: Folder of the engines.
    """
    try:
        manifest = read_bundle(path).manifest
    except BundleError as error:
        what, _, advice = str(error).rpartition("; ")
        return (Finding("bundle", what or str(error), "problem", advice if what else "name another folder"),)
    limits = f"{manifest.limits.max_ways} ways, {manifest.limits.max_support} support images"
    named = Finding("bundle", f"{manifest.name:.80}, {manifest.precision}, {limits}, every file whole")
    return named, *_runs(path, backends, engine_cache)


def _runs(path: Path, backends: Sequence[str], engine_cache: Path) -> Iterator[Finding]:
    for backend in backends:
        run = probe("bundle", BundleFacts, str(path), backend, str(engine_cache), timeout_s=_TIMEOUT_S)
        yield _run(f"in {backend}", run)


def _run(name: str, run: Probe[BundleFacts]) -> Finding:
    if run.facts is None:
        what, _, advice = run.failure.rpartition("; ")
        no_engine = "hyperflow-export engine" in run.failure or "hyperflow-export verify" in run.failure
        advice = advice if what else "hyperflow-export verify tells more"
        return Finding(name, what or run.failure, "note" if no_engine else "problem", advice)
    facts = run.facts
    value = (
        f"{facts.backend}: open after {facts.open_ms:.0f} ms, adapted in {facts.adapt_ms:.0f} ms, "
        f"predicts in {facts.predict_ms:.1f} ms"
    )
    if facts.is_right:
        return Finding(name, value)
    advice = "compare with its reference data: hyperflow-export verify BUNDLE"
    return Finding(name, f"{value}, but does not know its own support again", "problem", advice)
