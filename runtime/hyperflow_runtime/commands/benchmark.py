"""`hyperflow-runtime benchmark`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hyperflow_runtime.backends.opening import BackendName
    from hyperflow_runtime.benchmarking.comparing import Comparison
    from hyperflow_runtime.benchmarking.report import BenchmarkReport

__all__ = ["command"]


def _frame_size(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:
    width, by, height = value.partition("x")
    if not (by and width.isdecimal() and height.isdecimal() and 16 <= min(int(width), int(height)) <= 8192):
        raise click.BadParameter(f"expected WIDTHxHEIGHT in pixels, such as 640x480, got {value!r}")
    return int(width), int(height)


@click.command("benchmark", short_help="Time every stage of a bundle on this board.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--backend", type=click.Choice(("auto", "onnxruntime", "tensorrt")), default="auto", show_default=True,
              help="What runs the graphs.")  # fmt: skip
@click.option("--engine-cache", type=click.Path(path_type=Path), help="Folder of the engines, not the default one.")
@click.option("--n-way", type=click.IntRange(min=2), default=5, show_default=True, help="Classes of the support.")
@click.option("--n-shot", type=click.IntRange(min=1), default=5, show_default=True, help="Shots a class.")
@click.option("--batch", type=click.IntRange(min=1), help="Images in a run of the backbone.  [default: the support]")
@click.option("--frame", "frame_px", default="640x480", show_default=True, callback=_frame_size,
              help="Width and height of the camera's frames.")  # fmt: skip
@click.option("--repetitions", type=click.IntRange(min=1), default=50, show_default=True, help="Timed rounds.")
@click.option("--warm-up", type=click.IntRange(min=0), default=5, show_default=True, help="Rounds before that.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads a run may use, all cores by default.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
              help="File for the result; - prints it, and nothing else.")  # fmt: skip
@click.option("--store", type=click.Path(file_okay=False, path_type=Path),
              help="Folder of references: keep the result there, in the folder of this board.")  # fmt: skip
@click.option("--compare", type=click.Path(exists=True, path_type=Path),
              help="Stored result, or folder of references, to hold the result against.")  # fmt: skip
@click.option("--tolerance", type=click.FloatRange(min=0.0, min_open=True), default=1.3, show_default=True,
              help="Times the stored median that still passes.")  # fmt: skip
@click.option("--compare-any", is_flag=True, help="Compare with another board, power mode, bundle or shape too.")
def command(
    bundle: Path, backend: BackendName, engine_cache: Path | None, n_way: int, n_shot: int, batch: int | None,
    frame_px: tuple[int, int], repetitions: int, warm_up: int, threads: int | None, json_path: Path | None,
    store: Path | None, compare: Path | None, tolerance: float, compare_any: bool,
) -> None:  # fmt: skip
    """Time every stage of BUNDLE on this board.

    From single graphs to what a camera's user feels: from the last picture of a new class to a session that knows it.
    Exits with 1 when a stage is slower than the stored result that --compare names. On a Jetson, first choose the top
    power mode (nvpmodel) and fix the clocks (jetson_clocks): figures from other modes cannot be compared.

    \b
    Example:
      hyperflow-runtime benchmark desk.hyperflow
      hyperflow-runtime benchmark desk.hyperflow --store references
      hyperflow-runtime benchmark desk.hyperflow --compare references --tolerance 1.2
    """
    from hyperflow_runtime.benchmarking.running import run_benchmark
    from hyperflow_runtime.benchmarking.settings import BenchmarkSettings
    from hyperflow_runtime.benchmarking.storing import read_report, reference_path, write_report
    from hyperflow_runtime.commands.progress import late_progress

    settings = BenchmarkSettings(
        n_way=n_way, n_shot=n_shot, batch=batch, frame_px=frame_px, repetitions=repetitions, warm_up=warm_up,
        n_threads=threads,
    )  # fmt: skip
    if compare is not None and compare.is_file():
        read_report(compare)  # before minutes are spent
    with late_progress("rounds") as announce:
        report = run_benchmark(bundle, backend, settings, engine_cache=engine_cache, announce=announce)
    is_quiet = json_path is not None and str(json_path) == "-"
    if json_path is not None and not is_quiet:
        write_report(json_path, report)
    try:  # first compare: what is stored next may lie in the same place
        comparison = None if compare is None else _compared(report, compare, tolerance, compare_any)
    finally:
        if store is not None:
            write_report(reference_path(store, report), report)
    if is_quiet:
        _print_json(report, comparison)
    else:
        _print(report, comparison)
        if store is not None:
            click.echo(f"Stored: {reference_path(store, report)}")
    sys.exit(0 if comparison is None or comparison.passed else 1)


def _compared(report: BenchmarkReport, stored_at: Path, tolerance: float, compare_any: bool) -> Comparison:
    from hyperflow_runtime.benchmarking.comparing import compare_reports
    from hyperflow_runtime.benchmarking.storing import read_report, reference_path
    from hyperflow_runtime.errors import BenchmarkError

    file = reference_path(stored_at, report) if stored_at.is_dir() else stored_at
    comparison = compare_reports(report, read_report(file), tolerance=tolerance)
    if comparison.differences and not compare_any:
        raise BenchmarkError(
            f"{file} is not to be compared with this run ({'; '.join(comparison.differences)}); "
            "add --compare-any to do it all the same"
        )
    if not comparison.stages:
        raise BenchmarkError(f"{file} has no stage in common with this run; store a new result with --store")
    return comparison


def _print_json(report: BenchmarkReport, comparison: Comparison | None) -> None:
    import msgspec

    result = msgspec.to_builtins(report)
    if comparison is not None:
        result["comparison"] = msgspec.to_builtins(comparison)
    click.echo(msgspec.json.encode(result).decode())


def _print(report: BenchmarkReport, comparison: Comparison | None) -> None:
    from rich.console import Console

    from hyperflow_runtime.commands.tables import comparison_table, heading, latency_table

    console = Console()
    click.echo(heading(report))
    console.print(latency_table(report))
    if comparison is not None:
        console.print(comparison_table(comparison))
        slower = [stage.name for stage in comparison.stages if stage.is_slower]
        verdict = f"SLOWER than stored: {', '.join(slower)}" if slower else "no stage is slower than stored"
        click.echo(f"{verdict} (tolerance {comparison.tolerance:g}x)")
    for warning in report.warnings:
        click.echo(f"Warning: {warning}", err=True)
