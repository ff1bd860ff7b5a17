"""What does accuracy cost offline? The runs of the objectives study: processor hours and storage against gain.

Reads the figures of objectives.py; nothing is computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from study import FILE, StudyCommand, describe_machine, write_result

__all__ = ["main"]

_MARKERS = {None: "o", "support": "s", "whole-class": "D"}


class _Estimate(msgspec.Struct, frozen=True):
    mean: float
    ci95: float


class _Gain(msgspec.Struct, frozen=True):
    mean: _Estimate


class _Offline(msgspec.Struct, frozen=True):
    total_cpu_hours: float
    trajectories_bytes: int


class _Run(msgspec.Struct, frozen=True):
    teacher: str | None
    gain: dict[str, _Gain]
    offline: _Offline


class _Objectives(msgspec.Struct, frozen=True):
    runs: dict[str, _Run]
    machine: dict[str, Any]


class _Point(msgspec.Struct, frozen=True):
    """One run.

    Attributes:
        run: Its name.
        teacher: Whose trajectories; None for refinement alone.
        cpu_hours: Simulation and training.
        gain: Paired gain over direct transfer of the guarded or adapted model, in points.
        storage_mb: Of the trajectories, in 10^6 bytes.
        is_undominated: No other run gains at least as much for at most as many hours.
    """

    run: str
    teacher: str | None
    cpu_hours: float
    gain: _Estimate
    storage_mb: float
    is_undominated: bool


def _points(runs: dict[str, _Run], method: str) -> list[_Point]:
    found = {name: (run.offline.total_cpu_hours, run.gain[method].mean) for name, run in runs.items()}

    def is_beaten(name: str) -> bool:
        hours, gain = found[name]
        return any(
            other != name and h <= hours and g.mean >= gain.mean and (h, g.mean) != (hours, gain.mean)
            for other, (h, g) in found.items()
        )

    points = [
        _Point(name, run.teacher, *found[name], run.offline.trajectories_bytes / 1e6, not is_beaten(name))
        for name, run in runs.items()
    ]
    return sorted(points, key=lambda point: point.cpu_hours)


def _draw(points: Sequence[_Point], method: str, out: Path) -> None:
    from matplotlib.ticker import LogFormatter
    from pictures import direct_transfer, panels, save

    figure, (panel,) = panels(1, 1, height_in=4.6, title=f"Offline cost against the gain of {method} (95% bars)")
    for number, point in enumerate(points):
        stored = f", {point.storage_mb:.3g} MB stored" if point.storage_mb else ""
        panel.errorbar(
            point.cpu_hours, point.gain.mean, point.gain.ci95, fmt=_MARKERS.get(point.teacher, "^"), ms=6, capsize=3,
            color=f"C{number % 10}", label=f"{point.run}{stored}",
        )  # fmt: skip
    best = [point for point in points if point.is_undominated]
    panel.plot(
        [p.cpu_hours for p in best], [p.gain.mean for p in best], color="C7", lw=0.8, ls=":", label="best so far"
    )
    direct_transfer(panel)
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter(LogFormatter())
    panel.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2.0, 0.4)))
    panel.tick_params(which="both", labelsize=8)
    panel.set_xlabel("processor time of simulation and training, hours")
    panel.set_ylabel("paired gain in accuracy, points")
    panel.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    save(figure, out)


@click.command(cls=StudyCommand)
@click.argument("objectives", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--method", type=click.Choice(("adapted", "guarded")), default="adapted", show_default=True,
              help="Whose gain.")  # fmt: skip
@click.option("--json", "json_path", type=FILE, help="File for the points.")
@click.option("--picture", type=FILE, required=True, help="PNG file for the picture.")
def main(objectives: Path, method: str, json_path: Path | None, picture: Path) -> None:
    """Draw the runs in OBJECTIVES, the JSON file of objectives.py.

    \b
    Example:
      python benchmarks/studies/offline_cost.py objectives.json --json offline.json --picture offline.png
    """
    found = msgspec.json.decode(objectives.read_bytes(), type=_Objectives)
    points = _points(found.runs, method)
    _draw(points, method, picture)
    if json_path is not None:
        write_result(json_path, {"method": method, "points": points, "measured_on": found.machine,
                                 "machine": describe_machine()})  # fmt: skip
    click.echo(f"Written: {picture}" + (f", {json_path}" if json_path else ""))


if __name__ == "__main__":
    main()
