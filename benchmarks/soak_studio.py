"""Soak the studio: people teach it for half an hour while its camera is killed ten times.

    python benchmarks/soak_studio.py --minutes 30

The studio runs in a process of its own, with a real RTSP server as its camera. Windows show its live pictures, and
users record, delete, undo, save and load through its API. Before that a crowd does, so that what libraries keep for
their busiest moment is there from the start. Printed: whether its memory grew after the warm-up, how soon pictures came
back after each outage, and every request that failed without a reason.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import click
import msgspec
from machine import describe_machine, write_result
from rich.console import Console
from rich.table import Table
from soaking import App, FlakyCamera, MemorySampler, MemoryTrend, Outage, break_camera, can_serve_rtsp
from studio_load import Failures, User, Window, crowd

ROOT = Path(__file__).resolve().parents[1]
STUDIO = ROOT / "samples/studio/studio.py"
WARM_UP_SHARE = 0.2
WARM_UP_MOST_S = 180.0
CROWD = 4
LEAST_MINUTES_FOR_MEMORY = 10.0


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--minutes", type=click.FloatRange(min=0.2), default=30.0, help="How long.")
@click.option("--bundle", type=click.Path(exists=True, path_type=Path), default="build/small.hyperflow", help="Model.")
@click.option("--outages", type=click.IntRange(min=0), default=10, help="How often the camera is killed.")
@click.option("--down-s", type=click.FloatRange(min=0.0), default=5.0, help="Seconds that it is gone each time.")
@click.option("--windows", type=click.IntRange(1, 16), default=3, help="Browser windows.")
@click.option("--users", type=click.IntRange(0, 16), default=2, help="Users who teach at the same time.")
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to this file.")
def main(minutes: float, bundle: Path, outages: int, down_s: float, windows: int, users: int, out: Path | None) -> None:
    """Soak the studio; exit status 1 when anything was found."""
    if not can_serve_rtsp():
        raise click.ClickException(
            "the camera is an RTSP server that needs Debian's packages: "
            "sudo apt install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly"
        )
    machine = describe_machine()
    result = _soak(60 * minutes, bundle, outages, down_s, windows, users)
    _print(result)
    if out is not None:
        write_result(out, {**msgspec.to_builtins(result), "machine": msgspec.to_builtins(machine)})
    sys.exit(0 if result.is_good else 1)


class Result(msgspec.Struct, frozen=True):
    """What a soak found.

    Attributes:
        is_good: Nothing was found.
        minutes: How long.
        memory: How the studio's memory went after the warm-up.
        memory_is_flat: See `MemoryTrend.is_flat`.
        outages: What came of each.
        slowest_recovery_s: Of all; None when there was no outage, or pictures stayed away.
        pictures: Live pictures that each window got.
        answers: Answers of each status.
        n_failures: Whatever should not have happened.
        first_failures: Some of it in words.
        exit_status: Of the studio.
    """

    is_good: bool
    minutes: float
    memory: MemoryTrend
    memory_is_flat: bool
    outages: list[Outage]
    slowest_recovery_s: float | None
    pictures: list[int]
    answers: dict[int, int]
    n_failures: int
    first_failures: list[str]
    exit_status: int | None


def _soak(seconds: float, bundle: Path, n_outages: int, down_s: float, n_windows: int, n_users: int) -> Result:
    failures = Failures()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        camera = stack.enter_context(FlakyCamera())
        options = ["--bundle", str(bundle), "--camera", camera.uri, "--port", "0", "--data", folder]
        app = stack.enter_context(App([sys.executable, "-u", str(STUDIO), *options]))
        url = app.wait_for("Open ").removeprefix("Open ").rstrip("/")
        windows = [stack.enter_context(Window(url, failures, number)) for number in range(n_windows)]
        crowd(url, failures, n_users=CROWD * n_users, seconds=min(WARM_UP_SHARE * seconds, WARM_UP_MOST_S))
        memory = stack.enter_context(MemorySampler(app.pid, every_s=min(5.0, seconds / 60)))
        users = [stack.enter_context(User(url, failures, number)) for number in range(n_users)]
        outages = break_camera(
            camera, n_outages=n_outages, down_s=down_s, seconds=seconds, pictures=lambda: windows[0].n_pictures
        )
        trend = memory.trend(skip_s=min(WARM_UP_SHARE * seconds, WARM_UP_MOST_S))
        stack.callback(_note_end, app, failures)
    return _result(seconds / 60, trend, outages, windows, users, failures, app)


def _note_end(app: App, failures: Failures) -> None:
    """Runs first of all that ends: the studio must still be there."""
    if not app.is_running:
        failures.add(f"the studio ended by itself: {' | '.join(app.lines)}")


def _result(
    minutes: float, trend: MemoryTrend, outages: list[Outage], windows: list[Window], users: list[User],
    failures: Failures, app: App,
) -> Result:  # fmt: skip
    for line in app.lines:
        if "Traceback" in line or "Error" in line:
            failures.add(f"the studio printed: {line}")
    recoveries = [outage.recovery_s for outage in outages]
    have_recovered = None not in recoveries
    is_memory_good = trend.is_flat or minutes < LEAST_MINUTES_FOR_MEMORY  # a short run is all warm-up
    is_good = have_recovered and failures.count == 0 and app.exit_status == 0 and is_memory_good
    return Result(
        is_good=is_good,
        minutes=minutes,
        memory=trend,
        memory_is_flat=trend.is_flat,
        outages=outages,
        slowest_recovery_s=max((s for s in recoveries if s is not None), default=None) if have_recovered else None,
        pictures=[window.n_pictures for window in windows],
        answers=dict(sorted(sum((user.answers for user in users), Counter()).items())),
        n_failures=failures.count,
        first_failures=failures.first,
        exit_status=app.exit_status,
    )


def _print(result: Result) -> None:
    memory = result.memory
    table = Table(title=f"The studio, {result.minutes:g} minutes")
    table.add_column("what")
    table.add_column("found")
    slope = f"{memory.mb_per_hour:+.1f} ± {memory.half_width:.1f} MB an hour over {memory.minutes:.0f} minutes"
    table.add_row("memory after the warm-up", f"{slope}: {'flat' if result.memory_is_flat else 'grows'}")
    table.add_row(
        "", f"{memory.first_mb:.0f} MB first, {memory.last_mb:.0f} MB last, {memory.highest_mb:.0f} MB at most"
    )
    table.add_row("its course, MB", " ".join(f"{mb:.1f}" for mb in memory.tenths_mb))
    for outage in result.outages:
        after_s = outage.recovery_s
        came_back = "no picture came back" if after_s is None else f"pictures again after {after_s:.1f} s"
        table.add_row(f"camera killed at {outage.at_s:.0f} s for {outage.down_s:g} s", came_back)
    table.add_row("pictures of each window", ", ".join(map(str, result.pictures)))
    table.add_row("answers by status", ", ".join(f"{status}: {count}" for status, count in result.answers.items()))
    table.add_row("failures", str(result.n_failures))
    for text in result.first_failures:
        table.add_row("", text)
    table.add_row("exit status", str(result.exit_status))
    Console().print(table)


if __name__ == "__main__":
    main()
