"""`hyperflow-export benchmark`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("benchmark")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Images a run of the backbone.")
@click.option(
    "--n-way", type=click.IntRange(min=2), default=5, show_default=True, help="Classes of the drift's support."
)
@click.option("--n-shot", type=click.IntRange(min=1), default=5, show_default=True, help="Shots a class.")
@click.option("--repetitions", type=click.IntRange(min=1), default=100, show_default=True, help="Timed runs.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads a run may use, all cores by default.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
def command(
    bundle: Path, batch: int, n_way: int, n_shot: int, repetitions: int, threads: int | None, as_json: bool
) -> None:
    """Time the stages of BUNDLE on this machine. Needs no torch.

    \b
    Example:
      hyperflow-export benchmark desk.hyperflow --batch 8
    """
    import msgspec
    from rich.console import Console
    from rich.table import Table

    from hyperflow_export.latency import measure_latency
    from hyperflow_runtime.bundle.reader import read_bundle

    report = measure_latency(
        read_bundle(bundle), batch=batch, n_way=n_way, n_shot=n_shot, repetitions=repetitions, n_threads=threads
    )
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
        return
    title = f"{bundle}: {report.backend}, batch {batch}, {n_way}-way {n_shot}-shot, milliseconds"
    table = Table("stage", "mean", "p50", "p95", "p99", title=title, title_justify="left")
    for stage in report.stages:
        cells = (stage.mean_ms, stage.p50_ms, stage.p95_ms, stage.p99_ms)
        table.add_row(stage.name, *(f"{value:.2f}" for value in cells))
    Console().print(table)
    click.echo(f"theta as input / theta constant: {report.theta_input_ratio:.2f}x (medians)")
