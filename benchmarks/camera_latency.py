"""From glass to label: how long a camera's frame waits for its answer, while the session predicts and while it learns.

A session follows a camera. Printed are the stages of an answer, predictions a second, what adapting costs after each
shot for several numbers of classes, the gaps between answers with and without adapting meanwhile, and how often the
answers were right, where the camera knows what it shows. Example:

    python benchmarks/camera_latency.py --bundle build/small.hyperflow --camera synthetic:// --json camera.json
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from camera_costs import (
    Accuracy,
    AdaptCost,
    LiveCost,
    Spread,
    count_right_answers,
    predictions_per_second,
    time_adapting,
    time_answers,
)
from camera_teaching import Pictures, capture_pictures, taught, with_classes
from machine import Machine, describe_machine, write_result
from rich.console import Console
from rich.table import Table

from hyperflow_runtime import HyperflowRuntimeError, Model, open_bundle
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import EndOfSource

__all__ = ["main"]

_LONGEST_GAP_MS = 1e3 / 15
_SPEED_SECONDS = 3.0
_STAGES = {
    "capture_age": "frame waits for its turn",
    "preprocess": "crop, resize, normalise",
    "encode": "backbone",
    "head": "prototypes",
    "total": "arrival to label",
}


class _Result(msgspec.Struct, frozen=True):
    """What is written with `--json`.

    Attributes:
        glass_to_label: From the arrival of a frame to its answer; what the lens and its bus take comes on top.
        predictions_per_second: One frame after another, without a camera that sets the pace.
        longest_gap_ms: Between two answers while adapting.
        gap_passes: It is at most one frame of a camera at 15 frames a second.
        accuracy: Where the camera knows what it shows.
        following: The camera followed, nothing else going on.
        adapting: The same while adapting to the largest support.
        adapt: One for each size of support.
        model: Name of the bundle.
        backend: What ran it.
        camera: What it says of itself.
        frame_px: Width and height.
        camera_fps: Frames a second that came.
        settings: Of the run.
        machine: Of the run.
    """

    glass_to_label: Spread
    predictions_per_second: float
    longest_gap_ms: float
    gap_passes: bool
    accuracy: Accuracy | None
    following: LiveCost
    adapting: LiveCost
    adapt: list[AdaptCost]
    model: str
    backend: str
    camera: str
    frame_px: tuple[int, int]
    camera_fps: float
    settings: dict[str, object]
    machine: Machine


def _measure(
    model: Model, pictures: Pictures, uri: str, options: CameraOptions, settings: dict[str, object], machine: Machine,
    *, n_ways: Sequence[int], n_shot: int, seconds: float, repetitions: int,
) -> _Result:  # fmt: skip
    click.echo("adapting", err=True)
    adapt = time_adapting(model, pictures, n_ways=n_ways, n_shot=n_shot, repetitions=repetitions)
    largest = taught(model, with_classes(pictures, n_way=max(n_ways), n_shot=n_shot))
    frames = [frame for of_class in pictures.values() for frame in of_class]
    speed = predictions_per_second(largest, frames, seconds=min(_SPEED_SECONDS, seconds))
    with open_camera(uri, options) as camera:
        click.echo("following the camera", err=True)
        following = time_answers(camera, largest, seconds=seconds, adapting=False)
        click.echo("following the camera while adapting", err=True)
        adapting = time_answers(camera, largest, seconds=seconds, adapting=True)
        click.echo("counting right answers", err=True)
        accuracy = count_right_answers(camera, taught(model, pictures), seconds=seconds)
        status = camera.status
    return _Result(
        glass_to_label=following.stages["total"],
        predictions_per_second=speed,
        longest_gap_ms=adapting.gap.max_ms,
        gap_passes=adapting.gap.max_ms <= _LONGEST_GAP_MS,
        accuracy=accuracy,
        following=following,
        adapting=adapting,
        adapt=adapt,
        model=model.manifest.name,
        backend=model.backend,
        camera=status.description,
        frame_px=(status.width, status.height),
        camera_fps=status.fps,
        settings=settings,
        machine=machine,
    )


def _spread_cells(spread: Spread) -> tuple[str, ...]:
    return tuple(f"{value:.2f}" for value in (spread.p50_ms, spread.p95_ms, spread.p99_ms, spread.max_ms))


def _stage_table(result: _Result) -> Table:
    width, height = result.frame_px
    title = f"{result.model} on {result.backend}, {result.camera}, {width} x {height}, {result.camera_fps:.0f} fps"
    table = Table("ms", title=title, title_justify="left")
    for heading in ("p50", "p95", "p99", "longest", "adapting: p50", "p95", "p99", "longest"):
        table.add_column(heading, justify="right")
    for name, words in _STAGES.items():
        cells = [*_spread_cells(result.following.stages[name]), *_spread_cells(result.adapting.stages[name])]
        table.add_row(words, *cells)
    table.add_row("from answer to answer", *_spread_cells(result.following.gap), *_spread_cells(result.adapting.gap))
    return table


def _adapt_table(result: _Result) -> Table:
    table = Table("classes", title="adapting after the k-th shot of each class, median ms", title_justify="left")
    for shots in sorted({cost.n_shot for cost in result.adapt}):
        table.add_column(f"k = {shots}", justify="right")
    for n_way in sorted({cost.n_way for cost in result.adapt}):
        table.add_row(str(n_way), *(f"{cost.p50_ms:.1f}" for cost in result.adapt if cost.n_way == n_way))
    return table


def _print(result: _Result) -> None:
    console = Console(width=120)
    console.print(_stage_table(result))
    console.print(_adapt_table(result))
    click.echo(f"{result.predictions_per_second:.0f} predictions a second, one after the other")
    for words, cost in (("alone", result.following), ("while adapting", result.adapting)):
        click.echo(f"{cost.n_answers} of {cost.n_frames} frames answered {words}, {cost.n_adaptations} adaptations")
    accuracy = result.accuracy
    if accuracy is not None:
        click.echo(
            f"right on {accuracy.n_frames} frames that showed a thing: {accuracy.smoothed:.1%} smoothed, "
            f"{accuracy.adapted:.1%} frame by frame, {accuracy.direct:.1%} without adapting"
        )
    verdict = "PASS" if result.gap_passes else "FAIL"
    gaps = f"longest gap while adapting {result.longest_gap_ms:.1f} ms ({result.following.gap.max_ms:.1f} ms otherwise)"
    click.echo(f"{verdict}: {gaps}, limit {_LONGEST_GAP_MS:.1f} ms")


def _n_ways(ctx: click.Context, parameter: click.Parameter, value: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(value or (2, 5, 10, 20))))


@click.command()
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path),
              default="build/small.hyperflow", show_default=True, help="What to measure.")  # fmt: skip
@click.option("--camera", "uri", default="synthetic://", show_default=True, help="Address of the camera.")
@click.option("--seconds", type=click.FloatRange(min=0.5), default=20.0, show_default=True,
              help="How long the camera is followed, three times.")  # fmt: skip
@click.option("--n-way", "n_ways", type=click.IntRange(min=2), multiple=True, callback=_n_ways,
              help="Classes; may be given several times.  [default: 2, 5, 10, 20]")  # fmt: skip
@click.option("--n-shot", type=click.IntRange(min=1), default=5, show_default=True, help="Most shots a class.")
@click.option("--repetitions", type=click.IntRange(min=1), default=5, show_default=True, help="Of each adaptation.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads a run may use.  [default: all cores]")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
def main(
    bundle: Path, uri: str, seconds: float, n_ways: tuple[int, ...], n_shot: int, repetitions: int, threads: int | None,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Time what lies between a camera's frame and its label."""
    machine, options = describe_machine(), CameraOptions()
    settings: dict[str, object] = {
        "seconds": seconds, "n_ways": n_ways, "n_shot": n_shot, "repetitions": repetitions, "threads": threads,
    }  # fmt: skip
    try:
        click.echo("taking pictures", err=True)
        pictures = capture_pictures(uri, options, n_shot=n_shot)
        with open_bundle(bundle, n_threads=threads) as model:
            result = _measure(
                model, pictures, uri, options, settings, machine,
                n_ways=n_ways, n_shot=n_shot, seconds=seconds, repetitions=repetitions,
            )  # fmt: skip
    except (HyperflowRuntimeError, EndOfSource) as error:
        hint = "; add loop=true to its address" if isinstance(error, EndOfSource) else ""
        click.echo(f"Error: {error}{hint}", err=True)
        sys.exit(1)
    _print(result)
    if json_path is not None:
        write_result(json_path, msgspec.structs.asdict(result))


if __name__ == "__main__":
    main()
