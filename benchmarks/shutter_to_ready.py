"""What a camera's user feels: from the last picture of a new class to a model that knows it, and frames a second.

All shots but the last are encoded and the session predicts; then the last picture arrives as a camera frame in memory.
Two readings of "ready within one frame of 1/30 s": the last shot has still to be preprocessed and encoded, or all shots
are encoded already and only adapting is left. Every number of threads has a process with as many cores. Example:

    python benchmarks/shutter_to_ready.py --bundle build/small.hyperflow --json shutter.json
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import click
import msgspec
import numpy as np
from machine import describe_machine, usable_cores, write_result
from PIL import Image
from rich.console import Console
from rich.table import Table
from shutter_costs import FRAME_MS, ShutterCost, ShutterTask, Span, measure_shutter

from hyperflow_export.sample_images import random_images
from hyperflow_runtime.bundle.reader import read_bundle

__all__ = ["main"]

_SPANS = {
    "shutter_to_ready": "last shot still to encode, then adapt",
    "adapt": "all shots encoded: adapt",
    "adapt_unguarded": "all shots encoded: adapt(guard=False)",
    "prediction_at_once": "first prediction, right after adapt",
    "prediction": "prediction, in a stream of frames",
}


class _Verdict(msgspec.Struct, frozen=True):
    """Whether a criterion is met on the most threads that were measured.

    Attributes:
        criterion: In words.
        n_threads: Threads and cores.
        p50_ms: Measured median.
        p95_ms: Measured 95th percentile.
        passes: The median is within one frame.
        passes_at_p95: So is the 95th percentile.
    """

    criterion: str
    n_threads: int
    p50_ms: float
    p95_ms: float
    passes: bool
    passes_at_p95: bool


@contextmanager
def _limited_to(n_cores: int) -> Iterator[None]:
    """Let processes that are started inside use some of the cores alone."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:n_cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _measure_in_fresh_process(task: ShutterTask) -> ShutterCost:
    with _limited_to(task.n_threads), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure_shutter, task).result()


def _write_frames(path: Path, n: int, size_px: tuple[int, int], seed: int) -> None:
    squares = random_images(n, min(size_px), np.random.default_rng(seed))
    frames = [np.asarray(Image.fromarray(square).resize(size_px, Image.Resampling.BILINEAR)) for square in squares]
    np.save(path, np.stack(frames))


def _measure_all(task: ShutterTask, threads: Sequence[int], size_px: tuple[int, int], seed: int) -> list[ShutterCost]:
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        frames = Path(folder) / "frames.npy"
        _write_frames(frames, task.n_way * task.n_shot, size_px, seed)
        for n_threads in threads:
            click.echo(f"measuring {n_threads} thread{'s' * (n_threads > 1)}", err=True)
            costs.append(_measure_in_fresh_process(replace(task, frames=frames, n_threads=n_threads)))
    return costs


def _verdict(criterion: str, n_threads: int, span: Span) -> _Verdict:
    within, within_at_p95 = span.p50_ms <= FRAME_MS, span.p95_ms <= FRAME_MS
    return _Verdict(criterion, n_threads, span.p50_ms, span.p95_ms, within, within_at_p95)


def _verdicts(costs: Sequence[ShutterCost]) -> dict[str, _Verdict]:
    most = max(costs, key=lambda cost: cost.n_threads)
    criteria = {
        "shutter_to_ready": "ready within one frame, the last shot still to encode",
        "adapt": "ready within one frame, all shots encoded",
        "prediction": "30 predictions a second or more",
    }
    return {name: _verdict(words, most.n_threads, getattr(most, name)) for name, words in criteria.items()}


def _span_table(costs: Sequence[ShutterCost], title: str) -> Table:
    table = Table("", title=title, title_justify="left")
    for cost in costs:
        for heading in (f"{cost.n_threads} thr. p50 ms", "p95 ms", "p50 frames", "p95"):
            table.add_column(heading, justify="right")
    for name, words in _SPANS.items():
        spans: list[Span] = [getattr(cost, name) for cost in costs]
        cells = [(f"{s.p50_ms:.2f}", f"{s.p95_ms:.2f}", f"{s.p50_frames:.2f}x", f"{s.p95_frames:.2f}x") for s in spans]
        table.add_row(words, *(cell for of_threads in cells for cell in of_threads))
    return table


def _stage_table(costs: Sequence[ShutterCost], kind: str, title: str) -> Table:
    table = Table("stage", title=title, title_justify="left")
    for cost in costs:
        table.add_column(f"{cost.n_threads} thr. p50 ms", justify="right")
    for stage in getattr(costs[0], kind):
        table.add_row(stage, *(f"{getattr(cost, kind)[stage]:.2f}" for cost in costs))
    return table


def _print(costs: Sequence[ShutterCost], verdicts: dict[str, _Verdict], title: str) -> None:
    console = Console(width=120)
    first = costs[0]
    console.print(_span_table(costs, f"{title}; 1 frame = {FRAME_MS:.1f} ms"))
    adapting = f"from the last frame to ready: {first.n_candidates} step sizes, {first.n_encoded} images encoded again"
    console.print(_stage_table(costs, "stages_ms", adapting))
    console.print(_stage_table(costs, "prediction_stages_ms", "one prediction"))
    for cost in costs:
        click.echo(f"{cost.n_threads} thread(s): {cost.predictions_per_second:.0f} predictions a second")
    for one in verdicts.values():
        median, tail = ("PASS" if ok else "FAIL" for ok in (one.passes, one.passes_at_p95))
        click.echo(f"{median} at the median, {tail} at p95, {one.n_threads} thread(s): {one.criterion}")


def _frame_size(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:
    width, by, height = value.partition("x")
    if not (by and width.isdecimal() and height.isdecimal() and 16 <= min(int(width), int(height)) <= 8192):
        raise click.BadParameter(f"expected WIDTHxHEIGHT in pixels, such as 640x480, got {value!r}")
    return int(width), int(height)


def _thread_counts(ctx: click.Context, parameter: click.Parameter, value: tuple[int, ...]) -> tuple[int, ...]:
    counts = value or tuple(range(1, min(2, usable_cores()) + 1))
    if max(counts) > usable_cores():
        raise click.BadParameter(f"{max(counts)} threads need as many cores, and {usable_cores()} may be used here")
    return tuple(sorted(set(counts)))


@click.command()
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path),
              default="build/small.hyperflow", show_default=True, help="What to measure.")  # fmt: skip
@click.option("--n-way", type=click.IntRange(min=2), default=5, show_default=True, help="Classes.")
@click.option("--n-shot", type=click.IntRange(min=2), default=5, show_default=True, help="Shots a class.")
@click.option("--frame", "size_px", default="640x480", show_default=True, callback=_frame_size,
              help="Width and height of the camera's frames.")  # fmt: skip
@click.option("--repetitions", type=click.IntRange(min=1), default=100, show_default=True, help="Rounds that count.")
@click.option("--threads", type=click.IntRange(min=1), multiple=True, callback=_thread_counts,
              help="Threads and cores; may be given several times.  [default: 1 and 2]")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the frames.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
def main(
    bundle: Path, n_way: int, n_shot: int, size_px: tuple[int, int], repetitions: int, threads: tuple[int, ...],
    seed: int, json_path: Path | None,
) -> None:  # fmt: skip
    """Time what lies between the last picture of a new class and a model that knows it."""
    machine, name = describe_machine(), read_bundle(bundle).manifest.name
    task = ShutterTask(bundle, Path(), n_way, n_shot, repetitions, 1)
    costs = _measure_all(task, threads, size_px, seed)
    verdicts = _verdicts(costs)
    _print(costs, verdicts, f"{name}, {n_way}-way {n_shot}-shot, {size_px[0]} x {size_px[1]} frame")
    if json_path is not None:
        most = max(costs, key=lambda cost: cost.n_threads)
        headline = {
            "shutter_to_ready_ms": most.shutter_to_ready.p50_ms,
            "adapt_ms": most.adapt.p50_ms,
            "predictions_per_second": most.predictions_per_second,
            "verdicts": verdicts,
        }
        settings = {
            "n_way": n_way, "n_shot": n_shot, "frame_px": size_px, "repetitions": repetitions, "threads": threads,
            "seed": seed,
        }  # fmt: skip
        other = {"model": name, "settings": settings, "machine": machine, "threads": costs}
        write_result(json_path, {**headline, **other})


if __name__ == "__main__":
    main()
