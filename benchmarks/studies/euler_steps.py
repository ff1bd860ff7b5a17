"""How many Euler steps, and how large? Accuracy and query loss along the path, at several K and step sizes.

All paths of one length are cut into K steps each; sizes beyond 1 show what overshooting costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from study import FOLDER, Study, StudyCommand, numbers_of, study_options

if TYPE_CHECKING:
    from euler_paths import PathPoint, StepSizePoint

__all__ = ["main"]

_MOST_STEPS = 64


def _whole_numbers(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    numbers = numbers_of(ctx, parameter, value)
    if not all(number == int(number) and 1 <= number <= _MOST_STEPS for number in numbers):
        raise click.BadParameter(f"numbers of steps are 1..{_MOST_STEPS}, got {value!r}")
    return tuple(int(number) for number in numbers)


def _draw(paths: Mapping[int, Sequence[PathPoint]], sizes: Sequence[StepSizePoint], default: float, out: Path) -> None:
    from pictures import band, direct_transfer, panels, save

    figure, (path_gain, size_gain, path_loss, size_loss) = panels(
        2, 2, height_in=6.4, title="Along the Euler steps, and over their size (mean over sets, 95% bands)"
    )
    for number, (n_steps, points) in enumerate(paths.items()):
        shares, colour = [point.share for point in points], f"C{number % 10}"
        gains = [point.gain.mean if point.gain else None for point in points]
        losses = [point.loss_change.mean if point.loss_change else None for point in points]
        band(path_gain, shares, gains, f"K = {n_steps}", colour=colour, opacity=0.06)
        band(path_loss, shares, losses, f"K = {n_steps}", colour=colour, opacity=0.06)
    places = [point.h for point in sizes]
    band(size_gain, places, [point.gain.mean if point.gain else None for point in sizes], "all steps", colour="C0")
    band(
        size_loss, places, [point.loss_change.mean if point.loss_change else None for point in sizes], "all steps",
        colour="C0",
    )  # fmt: skip
    for panel in (size_gain, size_loss):
        panel.axvline(default, color="C3", lw=1.0, ls=":", label=f"default h = {default:g}")
        panel.set_xlabel("step size h")
    for panel in (path_gain, path_loss):
        panel.set_xlabel("share of the steps done, k / K")
    for panel in (path_gain, size_gain):
        panel.set_ylabel("paired gain in accuracy, points")
    for panel in (path_loss, size_loss):
        panel.set_ylabel("change of query loss, nats")
    for panel in (path_gain, size_gain, path_loss, size_loss):
        direct_transfer(panel)
        panel.legend(fontsize=7)
    save(figure, out)


@click.command(cls=StudyCommand)
@click.argument("checkpoint", type=FOLDER)
@study_options()
@click.option("--step-counts", default="1,2,4,8,16,32", show_default=True, callback=_whole_numbers,
              help="Numbers of steps K, all along a path of one length.")  # fmt: skip
@click.option("--step-sizes", default="0,0.25,0.5,0.75,1,1.25,1.5,2,3", show_default=True, callback=numbers_of,
              help="Sizes h of all configured steps.")  # fmt: skip
@click.option("--step-size", type=click.FloatRange(min=0, min_open=True),
              help="Size of a configured step, which the length of the paths follows from.  "
              "[default: the checkpoint's, or 1 where that is 0]")  # fmt: skip
@click.option("--states", type=click.IntRange(min=1), default=8, show_default=True,
              help="States of each path to evaluate, theta_0 apart.")  # fmt: skip
def main(
    checkpoint: Path, step_counts: tuple[int, ...], step_sizes: tuple[float, ...], step_size: float | None,
    states: int, **options: Any,
) -> None:  # fmt: skip
    """Follow the drift of CHECKPOINT in many or few steps, too short and too far.

    \b
    Example:
      python benchmarks/studies/euler_steps.py models/small --data data/eval --json euler.json --picture euler.png
    """
    from euler_paths import EulerPaths
    from study_episodes import batch_of, draw_tasks, evaluated_sets

    from hyperflow.checkpoint import load_checkpoint
    from hyperflow.evaluation.checkpoint_subject import CheckpointSubject

    study = Study(**options)
    model = load_checkpoint(checkpoint)
    length = step_size or model.config.device.step_size or 1.0
    found = EulerPaths(model, step_size=length, step_counts=step_counts, step_sizes=step_sizes, most=states)
    for image_set, episode, task in draw_tasks(study, evaluated_sets(study), CheckpointSubject(model)):
        found.add(image_set.name, batch_of(model, episode, task))
    paths, sizes = found.paths(), found.step_sizes()
    if study.picture is not None:
        _draw(paths, sizes, model.config.device.step_size, study.picture)
    study.write(
        {
            "model": model.config.name,
            "n_steps": model.config.n_steps,
            "default_step_size": model.config.device.step_size,
            "path_step_size": length,
            "loss_rise_at_the_end": found.loss_rises(),
            "paths": paths,
            "step_sizes": sizes,
            "speeds": found.speeds(),
        }
    )


if __name__ == "__main__":
    main()
