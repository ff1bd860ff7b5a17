"""Pictures of the studies: 900 px wide, with 95% intervals, and direct transfer as a line to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hyperflow.evaluation.statistics import Estimate

__all__ = ["band", "direct_transfer", "dots", "panels", "save"]

_WIDTH_IN, _DPI = 7.5, 120
_MARKERS = "osD^vP"


def panels(rows: int, columns: int, *, height_in: float, title: str) -> tuple[Figure, list[Axes]]:
    """Make a figure of 900 px width and its panels, row by row.

    Args:
        rows: Of panels.
        columns: Of panels.
        height_in: Height of the figure, at 120 px an inch.
        title: Above all panels.
    """
    figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for panel in axes:
        panel.grid(alpha=0.3)
        panel.tick_params(labelsize=8)
        panel.xaxis.label.set_size(9)
        panel.yaxis.label.set_size(9)
    return figure, axes


def direct_transfer(panel: Axes, *, upright: bool = False) -> None:
    """Draw the line at which nothing is gained.

    Args:
        panel: Where.
        upright: The gains are on the horizontal axis.
    """
    draw = panel.axvline if upright else panel.axhline
    draw(0.0, color="black", lw=1.0, ls="--", label="direct transfer")


def band(
    panel: Axes, x: Sequence[float], estimates: Sequence[Estimate | None], label: str, *, colour: str,
    opacity: float = 0.15,
) -> None:  # fmt: skip
    """Draw a line with its 95% band, fainter where many overlap; points without an estimate are left out."""
    points = [(place, one.mean, one.ci95) for place, one in zip(x, estimates, strict=True) if one is not None]
    if not points:
        return
    places, means, half_widths = (list(column) for column in zip(*points, strict=True))
    panel.plot(places, means, color=colour, marker="o", ms=3, lw=1.4, label=label)
    low = [mean - half for mean, half in zip(means, half_widths, strict=True)]
    high = [mean + half for mean, half in zip(means, half_widths, strict=True)]
    panel.fill_between(places, low, high, color=colour, alpha=opacity, lw=0)


def dots(panel: Axes, rows: Sequence[str], series: Mapping[str, Sequence[Estimate | None]]) -> None:
    """Draw one row a name, one dot a series with its 95% bar; the first row is on top."""
    for number, (label, estimates) in enumerate(series.items()):
        shift = (number - (len(series) - 1) / 2) * 0.6 / len(series)
        points = [(one.mean, row + shift, one.ci95) for row, one in enumerate(estimates) if one is not None]
        if not points:
            continue
        means, places, half_widths = (list(column) for column in zip(*points, strict=True))
        marker = _MARKERS[number % len(_MARKERS)]
        panel.errorbar(means, places, xerr=half_widths, fmt=marker, ms=4, capsize=2, label=label)
    panel.set_yticks(range(len(rows)), list(rows))
    panel.set_ylim(len(rows) - 0.5, -0.5)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial.png")
    try:
        FigureCanvasAgg(figure).print_png(str(partial))  # type: ignore[no-untyped-call]
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
