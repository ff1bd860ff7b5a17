"""From glass to label: how long a camera's frame waits for its answer, while the session predicts and while it learns.

A session follows a camera. Printed are the stages of an answer, predictions a second, what adapting costs after each
shot for several numbers of classes, the gaps between answers with and without adapting meanwhile, and, where the camera
knows what it shows, how often the answers were right, and how often a thing that was not taught was unknown. Example:

    python benchmarks/camera_latency.py --bundle build/small.hyperflow --camera synthetic:// --json camera.json
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from camera_accuracy import count_right_answers, count_untaught
from camera_costs import predictions_per_second, time_adapting, time_answers
from camera_result import CAMERA_FPS, LONGEST_GAP_MS, CameraResult, print_result
from camera_teaching import Pictures, capture_pictures, taught, with_classes
from machine import Machine, describe_machine, write_result

from hyperflow_runtime import HyperflowRuntimeError, Model, open_bundle
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import EndOfSource

__all__ = ["main"]

_SPEED_SECONDS = 3.0


def _measure(
    model: Model, pictures: Pictures, uri: str, options: CameraOptions, settings: dict[str, object], machine: Machine,
    *, n_ways: Sequence[int], n_shot: int, seconds: float, repetitions: int,
) -> CameraResult:  # fmt: skip
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
        click.echo("showing things that were not taught", err=True)
        untaught = count_untaught(camera, model, pictures, seconds=seconds)
        status = camera.status
    return CameraResult(
        glass_to_label=following.stages["total"],
        predictions_per_second=speed,
        longest_gap_ms=adapting.gap.max_ms,
        longest_gap_frames={str(fps): adapting.gap.max_ms * fps / 1e3 for fps in CAMERA_FPS},
        gap_passes=adapting.gap.max_ms <= LONGEST_GAP_MS,
        accuracy=accuracy,
        untaught=untaught,
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


def _n_ways(ctx: click.Context, parameter: click.Parameter, value: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(value or (2, 5, 10, 20))))


@click.command()
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path),
              default="build/small.hyperflow", show_default=True, help="What to measure.")  # fmt: skip
@click.option("--camera", "uri", default="synthetic://", show_default=True, help="Address of the camera.")
@click.option("--seconds", type=click.FloatRange(min=0.5), default=20.0, show_default=True,
              help="How long the camera is followed, up to four times.")  # fmt: skip
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
    print_result(result)
    if json_path is not None:
        write_result(json_path, msgspec.structs.asdict(result))


if __name__ == "__main__":
    main()
