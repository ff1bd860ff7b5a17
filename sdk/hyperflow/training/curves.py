"""Loss and accuracy of a training over its steps, as a picture and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

__all__ = ["draw_curves", "read_log"]

_N_COLUMNS = 4
_SKIPPED = ("step", "steps_per_s", "stage")


def read_log(path: Path) -> list[dict[str, float]]:
    """Read the lines of a run's log; steps that an interruption did twice count once, as done last."""
    lines: dict[float, dict[str, float]] = {}
    if path.exists():
        for line in path.read_bytes().splitlines():
            try:
                figures = msgspec.json.decode(line, type=dict[str, float])
            except msgspec.MsgspecError:
                continue  # torn by a kill
            if "step" in figures:
                lines.setdefault(figures["step"], {}).update(figures)
    return [lines[step] for step in sorted(lines)]


def draw_curves(stages: Mapping[str, Sequence[Mapping[str, float]]], folder: Path) -> None:
    """Write `curves.json`, and `curves.png` where matplotlib is installed: one panel a stage and figure.

    Args:
        stages: Name of each stage to its log, training and validation lines alike.
        folder: Where to.
    """
    table = {
        name: {figure: [[line["step"], line[figure]] for line in log if figure in line] for figure in _figures(log)}
        for name, log in stages.items()
        if log
    }
    (folder / "curves.json").write_text(json.dumps(table, indent=1) + "\n")
    try:
        import matplotlib
    except ModuleNotFoundError:
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [(stage, figure, points) for stage, figures in table.items() for figure, points in figures.items()]
    if not panels:
        return
    n_rows = -(-len(panels) // _N_COLUMNS)
    picture, axes = pyplot.subplots(
        n_rows, _N_COLUMNS, figsize=(3.2 * _N_COLUMNS, 2.6 * n_rows), squeeze=False, layout="constrained"
    )
    for panel in axes.flat[len(panels) :]:
        panel.set_visible(False)
    for panel, (stage, figure, points) in zip(axes.flat, panels, strict=False):
        panel.plot(*zip(*points, strict=True), linewidth=1.2, marker="." if len(points) < 20 else None)
        panel.set_title(f"{stage}: {figure}", fontsize=9)
        panel.set_xlabel("step", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
    partial = folder / ".curves.partial.png"
    picture.savefig(partial, dpi=120)
    pyplot.close(picture)
    partial.replace(folder / "curves.png")


def _figures(log: Sequence[Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(figure for line in log for figure in line if figure not in _SKIPPED))
