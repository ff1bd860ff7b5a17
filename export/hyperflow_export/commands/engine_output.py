"""What `hyperflow-export engine` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hyperflow_export.commands.tables import parity_table
from hyperflow_export.engine.ensuring import Ensured, plan_engine
from hyperflow_export.engine.making import EnginesReport
from hyperflow_export.engine.precision_rules import described
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import Target
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import GRAPHS, engines_of
from hyperflow_runtime.engines.key import ShapeRange
from hyperflow_runtime.engines.record import EngineRecord

__all__ = ["EngineOutput"]


class EngineOutput:
    """Lines for people, or one JSON document."""

    def __init__(
        self, bundle: Bundle, cache: EngineCache, named_cache: Path | None, console: Console, *, as_json: bool
    ) -> None:
        """Print to a console, which is quiet where JSON is wanted.

        Args:
            bundle: Whose engines.
            cache: Where they lie.
            named_cache: As the user named it; None for the default.
            console: For lines.
            as_json: Print JSON instead.
        """
        self.console, self._bundle, self._cache, self._as_json = console, bundle, cache, as_json
        self._option = f" --cache {named_cache}" if named_cache is not None else ""

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)

    def _json(self, **fields: Any) -> None:
        if self._as_json:
            document = {"bundle": str(self._bundle.path), "cache": str(self._cache.folder), **fields}
            click.echo(msgspec.json.encode(document).decode())

    def target(self, target: Target) -> None:
        """Say who builds, and for whom."""
        self._say(f"{self._bundle.path} ({self._bundle.manifest.precision}), {target}")

    def waiting(self) -> None:
        """Say that another process is building the same engine."""
        self._say("another process is building this engine; waiting for it")

    def engine(self, engine: Ensured) -> None:
        """Say what became of one engine."""
        record = engine.record
        done = f"built in {record.build_seconds:7.2f} s" if engine.was_built else "in the cache      "
        line = f"{record.key.graph + '.onnx':<14} {done} {record.size_bytes / 1e6:8.2f} MB  {_layers(record)}"
        self._say(line)
        if engine.reason:
            self._say(f"{'':<14} because {engine.reason}")

    def planned(self, target: Target, settings: BuildSettings, *, force: bool) -> None:
        """Say what would be built, and why."""
        plans = [plan_engine(self._bundle, graph, target, settings, self._cache, force=force) for graph in GRAPHS]
        for plan in plans:
            what = f"would be built: {plan.reason}" if plan.cached is None else "in the cache"
            self._say(f"{plan.key.graph + '.onnx':<14} {what}")
            self._say(f"{'':<14} plan {self._cache.plan_path(plan.key)}")
            for number, profile in enumerate(plan.key.profiles):
                shapes = ", ".join(map(_shapes, profile))
                self._say(f"{'':<14} profile {number}: {shapes}")
        self._json(
            target=str(target),
            plans=[
                {"graph": plan.key.graph, "digest": plan.key.digest, "is_cached": plan.cached is not None,
                 "reason": plan.reason, "key": plan.key} for plan in plans
            ],
        )  # fmt: skip

    def cached(self) -> None:
        """List the bundle's engines in the cache."""
        records = engines_of(self._bundle, self._cache)
        table = Table("graph", "built by", "for", "MB", "layers", "self-test", "asked for last", title_justify="left",
                      title=escape(f"Engines of {self._bundle.path} in {self._cache.folder}"))  # fmt: skip
        for record in records:
            key = record.key
            where = str(key.device) if key.device else f"capability {', '.join(key.compute_capabilities)}"
            cells = (
                key.graph, f"{key.library} {key.library_version}", where, f"{record.size_bytes / 1e6:.2f}",
                described(record.precisions), _verdict(record), record.created[:16].replace("T", " "),
            )  # fmt: skip
            table.add_row(*map(escape, cells))
        if records:
            self.console.print(table)
        else:
            self._say(f"no engines of {self._bundle.path} in {self._cache.folder}")
            self._say(f"Next: hyperflow-export engine {self._bundle.path}{self._option}")
        self._json(engines=records)

    def finish(self, target: Target, report: EnginesReport) -> None:
        """Say how the results compared, and what to do next."""
        test, bundle = report.self_test, self._bundle
        if test is not None:
            precision = bundle.manifest.precision
            against = "the reference data and onnxruntime"
            self.console.print(parity_table(test.checks, of=test.backend, against=against, precision=precision))
        for line in _verdict_lines(target, report, str(bundle.path), self._option):
            self._say(line)
        self._json(
            target=str(target), passed=report.passed, checks=None if test is None else test.checks,
            engines=[
                {"path": str(engine.path), "was_built": engine.was_built, "reason": engine.reason,
                 "record": _current(engine, self._cache)} for engine in report.engines
            ],
        )  # fmt: skip


def _current(engine: Ensured, cache: EngineCache) -> EngineRecord:
    """The record as it lies in the cache after the self-test."""
    return cache.find(engine.record.key) or engine.record


def _layers(record: EngineRecord) -> str:
    what = "products" if record.key.device is None else "layers"
    return f"{described(record.precisions)} {what}"


def _shapes(shapes: ShapeRange) -> str:
    return f"{shapes.input} {'x'.join(map(str, shapes.min))} .. {'x'.join(map(str, shapes.max))} " + (
        f"(usually {'x'.join(map(str, shapes.opt))})"
    )


def _verdict(record: EngineRecord) -> str:
    test = record.self_test
    return "none yet" if test is None else f"{'passed' if test.passed else 'FAILED'} on {test.device.name}"


def _verdict_lines(target: Target, report: EnginesReport, bundle: str, option: str) -> Sequence[str]:
    verify = f"hyperflow-export verify {bundle} --backend tensorrt{option}"
    if target.device is None:
        return (
            "Not compared: no GPU of these capabilities is here. The runtime refuses the engines until they are.",
            f"Next, on each device, with the cache copied to it: {verify}",
        )
    if report.passed is None:
        return ("Not compared, so the runtime refuses the engines until they are.", f"Next: {verify}")
    if report.passed:
        how = "every comparison passed" if report.self_test else "compared before, with this bundle on this GPU"
        return (
            f"{how}; the runtime uses the engines.",
            f"Next: hyperflow-runtime benchmark {bundle} --backend tensorrt{option.replace(' --', ' --engine-', 1)}",
        )
    return (
        "The results DIFFER, so the runtime refuses these engines and --backend auto runs onnxruntime.",
        f"Next: hyperflow-export engine {bundle}{option} --force --opt-level 2, or another version of TensorRT",
    )
