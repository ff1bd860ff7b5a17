"""`hyperflow-runtime doctor`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hyperflow_runtime.doctor.examining import Report

__all__ = ["command"]


@click.command("doctor", short_help="Tell what this device has and lacks, and what to do about it.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Bundle to run once on each backend at hand.")
@click.option("--engine-cache", type=click.Path(path_type=Path), help="Folder of the engines, not the default one.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, and nothing else.")
def command(bundle: Path | None, engine_cache: Path | None, as_json: bool) -> None:
    """Tell what this device has, what is wrong with it, and what to do about that.

    Each line is "ok", a "note" (absent, or could be better) or a "problem" (broken, or absent though it belongs here).
    Exits with 0 when a backend runs here (with --bundle: runs that bundle), else with 1.

    \b
    Example:
      hyperflow-runtime doctor
      hyperflow-runtime doctor --bundle desk.hyperflow
      hyperflow-runtime doctor --json | jq '.subjects[].findings[] | select(.status == "problem")'
    """
    import msgspec
    from rich.console import Console

    from hyperflow_runtime.doctor.examining import examine

    with Console(stderr=True).status("looking") as status:
        report = examine(
            bundle=bundle, engine_cache=engine_cache, announce=lambda what: status.update(f"looking at {what}")
        )
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
    else:
        _print(report)
    sys.exit(0 if report.usable else 1)


def _print(report: Report) -> None:
    from rich.console import Console

    from hyperflow_runtime.commands.tables import findings_table

    Console().print(findings_table(report.subjects))
    runs = f"usable with {' and '.join(report.backends)}" if report.usable else "NOT USABLE: no backend runs here"
    click.echo(f"{runs}; {_number(report, 'problem')}, {_number(report, 'note')}")


def _number(report: Report, status: str) -> str:
    n_findings = report.count(status)
    return f"{n_findings} {status}{'' if n_findings == 1 else 's'}"
