"""Tables that the commands print."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from hyperflow_runtime.benchmarking.comparing import Comparison
from hyperflow_runtime.benchmarking.report import BenchmarkReport
from hyperflow_runtime.board.conditions import Conditions
from hyperflow_runtime.doctor.finding import Status, Subject

__all__ = ["comparison_table", "findings_table", "heading", "latency_table"]

_COLOURS: dict[Status, str] = {"ok": "green", "note": "yellow", "problem": "red"}


def heading(report: BenchmarkReport) -> str:
    """What was measured, where, and under which conditions; two lines."""
    settings, board = report.settings, report.board
    width, height = settings.frame_px
    what = f"{settings.n_way}-way {settings.n_shot}-shot, frames of {width} x {height} px, milliseconds"
    where = f"{board.model or board.processor}, {board.n_cores} cores, {_conditions(report.conditions)}"
    return f"{report.bundle.name}: {report.backend_name}, {what}\n{where}"


def latency_table(report: BenchmarkReport) -> Table:
    """Lay out the times of every stage."""
    table = Table("stage")
    for title in ("mean", "p50", "p95", "p99", "first"):
        table.add_column(title, justify="right")
    for stage in report.stages:
        cells = (stage.mean_ms, stage.p50_ms, stage.p95_ms, stage.p99_ms, stage.first_ms)
        table.add_row(escape(stage.name), *(f"{value:.2f}" for value in cells))
    table.add_row("open the bundle", *[""] * 4, f"{report.open_ms:.2f}")
    return table


def _conditions(conditions: Conditions) -> str:
    said = []
    if conditions.power_mode is not None:
        said.append(f"power mode {conditions.power_mode.name or 'unknown'}")
    if conditions.governors:
        said.append(f"governor {', '.join(conditions.governors)}")
    said += [f"{clock.name} {clock.current_mhz:.0f} of {clock.max_mhz:.0f} MHz" for clock in conditions.clocks]
    if conditions.load_average is not None:
        said.append(f"load {conditions.load_average:.2f}")
    return ", ".join(said)


def comparison_table(comparison: Comparison) -> Table:
    """Lay out medians now and stored, and their ratios."""
    table = Table("stage", title="Medians against the stored result", title_justify="left")
    if comparison.differences:
        table.caption = escape(f"differs: {'; '.join(comparison.differences)}")
    for title in ("stored ms", "now ms", "now / stored", "verdict"):
        table.add_column(title, justify="right")
    for stage in comparison.stages:
        verdict = "[red]SLOWER[/]" if stage.is_slower else "[green]pass[/]"
        table.add_row(
            escape(stage.name), f"{stage.stored_ms:.2f}", f"{stage.now_ms:.2f}", f"{stage.ratio:.2f}x", verdict
        )
    return table


def findings_table(subjects: Sequence[Subject]) -> Table:
    """Lay out findings by subject, each with its advice below it."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column("status", no_wrap=True)
    table.add_column("name", no_wrap=True)
    table.add_column("value", overflow="fold")
    for subject in subjects:
        table.add_row("", f"[bold]{escape(subject.title)}[/]", "")
        for one in subject.findings:
            table.add_row(f"[{_COLOURS[one.status]}]{one.status}[/]", escape(one.name), escape(one.value))
            if one.advice is not None:
                table.add_row("", "", f"[bold]->[/] {escape(one.advice)}")
    return table
