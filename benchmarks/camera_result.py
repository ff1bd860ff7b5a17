"""What the camera benchmark found, and how it is printed."""

from __future__ import annotations

import click
import msgspec
from camera_accuracy import Accuracy, Untaught
from camera_costs import AdaptCost, LiveCost, Spread
from machine import Machine
from rich.console import Console
from rich.table import Table

__all__ = ["CAMERA_FPS", "LONGEST_GAP_MS", "CameraResult", "print_result"]

CAMERA_FPS = (15, 30)
"""Frames a second of usual cameras; a gap is told in their frames."""

LONGEST_GAP_MS = 1e3 / min(CAMERA_FPS)
"""Longest gap between two answers that passes: one frame of the slower camera."""

_STAGES = {
    "capture_age": "frame waits for its turn",
    "preprocess": "crop, resize, normalise",
    "encode": "backbone",
    "head": "prototypes",
    "total": "arrival to label",
}


class CameraResult(msgspec.Struct, frozen=True):
    """What is written with `--json`.

    Attributes:
        glass_to_label: From the arrival of a frame to its answer; what the lens and its bus take comes on top.
        predictions_per_second: One frame after another, without a camera that sets the pace.
        longest_gap_ms: Between two answers while adapting.
        longest_gap_frames: The same in frames of a camera, by its frames a second.
        gap_passes: It is at most one frame of a camera at 15 frames a second.
        accuracy: Where the camera knows what it shows.
        untaught: Likewise, where there are three things or more.
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
    longest_gap_frames: dict[str, float]
    gap_passes: bool
    accuracy: Accuracy | None
    untaught: Untaught | None
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


def _spread_cells(spread: Spread) -> tuple[str, ...]:
    return tuple(f"{value:.2f}" for value in (spread.p50_ms, spread.p95_ms, spread.p99_ms, spread.max_ms))


def _stage_table(result: CameraResult) -> Table:
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


def _adapt_table(result: CameraResult) -> Table:
    table = Table("classes", title="adapting after the k-th shot of each class, median ms", title_justify="left")
    for shots in sorted({cost.n_shot for cost in result.adapt}):
        table.add_column(f"k = {shots}", justify="right")
    for n_way in sorted({cost.n_way for cost in result.adapt}):
        table.add_row(str(n_way), *(f"{cost.p50_ms:.1f}" for cost in result.adapt if cost.n_way == n_way))
    return table


def print_result(result: CameraResult) -> None:
    """Print all tables and the verdict."""
    console = Console(width=120)
    console.print(_stage_table(result))
    console.print(_adapt_table(result))
    click.echo(f"{result.predictions_per_second:.0f} predictions a second, one after the other")
    for words, cost in (("alone", result.following), ("while adapting", result.adapting)):
        click.echo(
            f"{cost.n_answers} of {cost.n_frames} frames answered {words}, {cost.answers_per_second:.1f} a second, "
            f"{cost.n_adaptations} adaptations"
        )
    accuracy = result.accuracy
    if accuracy is not None:
        click.echo(
            f"right on {accuracy.n_frames} frames that showed a thing: {accuracy.smoothed:.1%} smoothed, "
            f"{accuracy.adapted:.1%} frame by frame, {accuracy.direct:.1%} without adapting"
        )
    untaught = result.untaught
    if untaught is not None:
        click.echo(
            f"unknown on {untaught.n_frames} frames that showed a thing which was not taught: "
            f"{untaught.smoothed:.1%} smoothed, {untaught.unknown:.1%} frame by frame"
        )
    verdict = "PASS" if result.gap_passes else "FAIL"
    gaps = f"longest gap while adapting {result.longest_gap_ms:.1f} ms ({result.following.gap.max_ms:.1f} ms otherwise)"
    frames = ", ".join(f"{n:.1f} frames at {fps} fps" for fps, n in result.longest_gap_frames.items())
    click.echo(f"{verdict}: {gaps}, limit {LONGEST_GAP_MS:.1f} ms; {frames}")
