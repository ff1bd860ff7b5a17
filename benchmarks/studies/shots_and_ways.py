"""Does adapting gain at any number of shots and ways? One of the two is varied at a time.

A set without enough classes or images for a point is left out there, and named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from study import FOLDER, Study, StudyCommand, numbers_of, study_options

from hyperflow.errors import DataError

if TYPE_CHECKING:
    from hyperflow.evaluation.results import Evaluation
    from hyperflow.evaluation.statistics import Estimate
    from hyperflow.images.image_set import ImageSet
    from hyperflow.model import HyperFlow

__all__ = ["main"]

_METHODS = ("adapted", "guarded")
_TITLES = {"shots": "support images a class", "ways": "classes"}


class _Gain(msgspec.Struct, frozen=True):
    """Paired gains over direct transfer of one method.

    Attributes:
        mean: Over the sets of the point.
        mean_of_common: Over the sets that take part in every point of the line; None where there is none.
        sets: Of each set.
    """

    mean: Estimate
    mean_of_common: Estimate | None
    sets: dict[str, Estimate]


class _Point(msgspec.Struct, frozen=True):
    """One number of shots or ways.

    Attributes:
        value: The number.
        direct: Accuracy at theta_0, mean over the sets of the point, in points.
        gain: Of each method.
        left_out: Sets that are too small.
    """

    value: int
    direct: Estimate
    gain: dict[str, _Gain]
    left_out: list[str]


def _point(value: int, evaluation: Evaluation, common: Sequence[str], left_out: list[str]) -> _Point:
    from hyperflow.evaluation.statistics import mean_of

    gain = {}
    for method in _METHODS:
        of_sets = {name: result.gain[method] for name, result in evaluation.sets.items()}
        shared = [of_sets[name] for name in common]
        gain[method] = _Gain(evaluation.mean.gain[method], mean_of(shared) if shared else None, of_sets)
    return _Point(value, evaluation.mean.accuracy["direct"], gain, left_out)


def _fitting(study: Study, sets: Sequence[ImageSet], over: str, values: Sequence[int]) -> dict[int, list[ImageSet]]:
    """Sets that are large enough for each value."""
    from study_episodes import has_room, protocol_of

    name = "n_shot" if over == "shots" else "n_way"
    fitting = {}
    for value in values:
        protocol = msgspec.structs.replace(protocol_of(study), **{name: value})
        if found := [image_set for image_set in sets if has_room(image_set, protocol)]:
            fitting[value] = found
        else:
            click.echo(f"left out: no set is large enough for {value} {over}", err=True)
    return fitting


def _measure(
    model: HyperFlow, study: Study, sets: Sequence[ImageSet], wanted: Mapping[str, Sequence[int]]
) -> dict[str, list[_Point]]:
    from study_episodes import config_of, evaluate_all

    fitting = {over: _fitting(study, sets, over, values) for over, values in wanted.items()}
    jobs = []
    for over, by_value in fitting.items():
        for value, found in by_value.items():
            changed = {"n_shot" if over == "shots" else "n_way": value}
            config = config_of(study, ("direct", *_METHODS), **changed)  # type: ignore[arg-type]
            jobs.append((model.config.name, model, config, found))
    if not jobs:
        raise DataError(f"{study.data} holds no set that is large enough for any point; ask for fewer shots and ways")
    evaluations = iter(evaluate_all(jobs, quiet=study.quiet))
    lines: dict[str, list[_Point]] = {}
    for over, by_value in fitting.items():
        common = [one.name for one in sets if all(one in found for found in by_value.values())]
        lines[over] = [
            _point(value, next(evaluations), common, [one.name for one in sets if one not in found])
            for value, found in by_value.items()
        ]
    return lines


def _draw(lines: Mapping[str, Sequence[_Point]], study: Study, n_sets: int, out: Path) -> None:
    from pictures import band, direct_transfer, panels, save

    figure, axes = panels(1, len(lines), height_in=3.8, title="Gain of adapting (mean over sets, 95% bands)")
    for panel, (over, points) in zip(axes, lines.items(), strict=True):
        places = [float(point.value) for point in points]
        for number, method in enumerate(_METHODS):
            band(panel, places, [point.gain[method].mean for point in points], method, colour=f"C{number}")
            common = [point.gain[method].mean_of_common for point in points]
            if any(point.left_out for point in points) and all(common):
                means = [one.mean for one in common if one is not None]
                panel.plot(places, means, color=f"C{number}", ls=":", lw=1.2, label=f"{method}, sets of all points")
        direct_transfer(panel)
        panel.set_xscale("log")
        counts = [n_sets - len(point.left_out) for point in points]
        ticks = [f"{one.value}\n{n} set{'s' * (n != 1)}" for one, n in zip(points, counts, strict=True)]
        panel.set_xticks(places, ticks)
        panel.minorticks_off()
        fixed = f"{study.n_way} classes" if over == "shots" else f"{study.n_shot} shots"
        panel.set_xlabel(f"{_TITLES[over]}, at {fixed}")
        panel.set_ylabel("paired gain in accuracy, points")
        panel.legend(fontsize=7)
    save(figure, out)


def _counts(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    numbers = numbers_of(ctx, parameter, value)
    least = 2 if parameter.name == "ways" else 1
    if not all(number == int(number) and number >= least for number in numbers):
        raise click.BadParameter(f"expected whole numbers of {least} or more, got {value!r}")
    return tuple(int(number) for number in numbers)


@click.command(cls=StudyCommand)
@click.argument("checkpoint", type=FOLDER)
@study_options()
@click.option("--shots", default="1,2,5,10,20,50", show_default=True, callback=_counts, help="Shots, at --n-way.")
@click.option("--ways", default="2,5,10,20,50", show_default=True, callback=_counts, help="Ways, at --n-shot.")
def main(checkpoint: Path, shots: tuple[int, ...], ways: tuple[int, ...], **options: Any) -> None:
    """Measure CHECKPOINT, guarded and not, at few and many shots and ways.

    \b
    Example:
      python benchmarks/studies/shots_and_ways.py models/small --data data/eval --json sizes.json --picture sizes.png
    """
    from hyperflow.checkpoint import load_checkpoint
    from hyperflow.datasets.opening import open_datasets

    study = Study(**options)
    model, sets = load_checkpoint(checkpoint), open_datasets(study.data)
    lines = _measure(model, study, sets, {"shots": shots, "ways": ways})
    lines = {over: points for over, points in lines.items() if points}
    if study.picture is not None:
        _draw(lines, study, len(sets), study.picture)
    study.write({"model": model.config.name, "sets": [one.name for one in sets], **lines})


if __name__ == "__main__":
    main()
