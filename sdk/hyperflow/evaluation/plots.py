"""An evaluation as plots: one PNG each, and the numbers behind it as JSON of the same name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hyperflow.evaluation.curves import Curve
from hyperflow.evaluation.evaluation_files import write_whole
from hyperflow.evaluation.results import Evaluation, SetResult
from hyperflow.evaluation.statistics import Estimate, summarise

__all__ = ["Line", "draw_lines", "draw_plots"]

_MIN_EPISODES = 2  # behind a point: one has no interval


class Line(msgspec.Struct, frozen=True):
    """Estimates over a quantity, ascending in it."""

    x: list[float]
    y: list[Estimate]


def _save(figure: Figure, numbers: object, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}.partial.png"
    FigureCanvasAgg(figure).print_png(str(partial))  # type: ignore[no-untyped-call]
    partial.replace(folder / f"{name}.png")
    write_whole(folder / f"{name}.json", msgspec.json.format(msgspec.json.encode(numbers), indent=2) + b"\n")


def _axes(width: float, height: float, *, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    axes = figure.add_subplot(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


def _legend(axes: Axes) -> None:
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))


def draw_lines(lines: Mapping[str, Line], folder: Path, name: str, *, x: str, y: str = "accuracy, %") -> None:
    """Draw named lines with their 95% intervals into `name`.png, and write `name`.json.

    Args:
        lines: What to draw; the last is drawn in bold where there are several.
        folder: Made when absent.
        name: Of the files.
        x: Label of the quantity.
        y: Label of the estimates.
    """
    figure, axes = _axes(8.0, 4.5, x=x, y=y)
    for number, (label, line) in enumerate(lines.items()):
        means, half_widths = [e.mean for e in line.y], [e.ci95 for e in line.y]
        is_last = number == len(lines) - 1
        axes.errorbar(line.x, means, half_widths, label=label, capsize=2, lw=2.5 if is_last else 1.2, marker="o", ms=3)
    if all(place == int(place) for line in lines.values() for place in line.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(axes)
    _save(figure, lines, folder, name)


def _draw_gains(evaluation: Evaluation, folder: Path) -> None:
    results = {**evaluation.sets, "mean over sets": evaluation.mean}
    methods = list(evaluation.mean.gain)
    figure, axes = _axes(8.0, 1.2 + 0.18 * len(results) * (len(methods) + 1), x="paired gain over direct, points", y="")
    for number, method in enumerate(methods):
        gains = [result.gain[method] for result in results.values()]
        places = [row + (number + 0.5) / (len(methods) + 1) - 0.5 for row in range(len(results))]
        axes.errorbar(
            [g.mean for g in gains], places, xerr=[g.ci95 for g in gains], fmt="o", ms=4, capsize=2, label=method
        )
    axes.axvline(0.0, color="black", lw=0.8)
    axes.set_yticks(range(len(results)), list(results))
    axes.invert_yaxis()
    _legend(axes)
    _save(figure, {name: result.gain for name, result in results.items()}, folder, "gain_per_set")


def _draw_cost(evaluation: Evaluation, folder: Path) -> None:
    figure, axes = _axes(7.0, 4.5, x="seconds to adapt, median", y="accuracy, mean over sets, %")
    numbers = {}
    for method, cost in evaluation.cost.items():
        accuracy = evaluation.mean.accuracy[method]
        axes.errorbar(cost.seconds, accuracy.mean, accuracy.ci95, fmt="o", capsize=3, label=method)
        numbers[method] = {"cost": cost, "accuracy": accuracy, "n": evaluation.mean.n[method]}
    axes.set_xscale("log")
    _legend(axes)
    _save(figure, numbers, folder, "cost_against_accuracy")


def _draw_curve(curve: Curve, folder: Path, name: str, x: str) -> None:
    """Draw accuracy, and the paired gain over the first point, whose intervals tell the points apart."""
    for what, y in (("accuracy", "accuracy, %"), ("gain", "paired gain over theta_0, points")):
        lines = {}
        for label, points in {**curve.sets, "mean over sets": curve.mean}.items():
            found = [(point.x, point.accuracy if what == "accuracy" else point.gain) for point in points]
            finite = [(place, estimate) for place, estimate in found if estimate is not None]
            lines[label] = Line([place for place, _ in finite], [estimate for _, estimate in finite])
        draw_lines(lines, folder, f"{what}_over_{name}", x=x, y=y)


def _grouped(sizes: Sequence[Sequence[int]], accuracies: Sequence[Sequence[float]]) -> Line:
    """Accuracy of all episodes of one size, size by size."""
    by_size: dict[int, list[float]] = {}
    for of_set, values in zip(sizes, accuracies, strict=True):
        for size, value in zip(of_set, values):  # noqa: B905 - a method may have answered the first episodes only
            by_size.setdefault(size, []).append(value)
    kept = {size: values for size, values in sorted(by_size.items()) if len(values) >= _MIN_EPISODES}
    return Line([float(size) for size in kept], [summarise(values) for values in kept.values()])


def _shots(result: SetResult) -> list[int]:
    """Mean shots a class of each episode, to the nearest whole number."""
    return [round(n_support / n_way) for n_support, n_way in zip(result.n_support, result.n_way, strict=True)]


def _size_lines(evaluation: Evaluation) -> Iterator[tuple[str, str, dict[str, Line]]]:
    results = list(evaluation.sets.values())
    ways, shots = [result.n_way for result in results], [_shots(result) for result in results]
    for name, label, sizes in (("ways", "classes", ways), ("shots", "support images a class, mean", shots)):
        if len({size for of_set in sizes for size in of_set}) > 1:
            methods = evaluation.mean.accuracy
            lines = {m: _grouped(sizes, [result.per_episode[m] for result in results]) for m in methods}
            yield f"accuracy_over_{name}", label, lines


def draw_plots(evaluation: Evaluation, folder: Path) -> None:
    """Draw everything that an evaluation has to show.

    Gain per set and cost against accuracy always; accuracy over ways and over shots where episodes differ in them;
    accuracy over Euler steps and over step sizes where curves were asked for.

    Args:
        evaluation: What to draw.
        folder: Made when absent.
    """
    _draw_gains(evaluation, folder)
    _draw_cost(evaluation, folder)
    for name, label, lines in _size_lines(evaluation):
        draw_lines(lines, folder, name, x=label)
    labels = {"euler_steps": "Euler steps", "step_size": "step size h"}
    for name, curve in evaluation.curves.items():
        _draw_curve(curve, folder, name, labels[name])
