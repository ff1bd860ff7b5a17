"""What every study shares: its options, its progress bar, and the file of its result. Loads no torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hyperflow.errors import HyperflowError

sys.path.append(str(Path(__file__).resolve().parents[1]))  # the modules that all benchmarks share lie one folder up
from machine import Machine, describe_machine, write_result

__all__ = [
    "FILE", "FOLDER", "Study", "StudyCommand", "describe_machine", "numbers_of", "output_options", "progress_bar",
    "study_options", "write_result",
]  # fmt: skip

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_DATA = click.Path(exists=True, path_type=Path)


@dataclass(frozen=True)
class Study:
    """Which episodes a study answers, and where its result goes.

    Attributes:
        data: Image sets in any layout of `hyperflow.datasets`.
        n_way: Classes an episode.
        n_shot: Support images a class.
        n_query: Query images a class.
        episodes: Episodes a set, 2 or more, so that every mean has an interval.
        seed: Of the episodes, and of all other chance.
        json_path: Where the figures go.
        picture: Where the picture goes; none when None.
        quiet: No progress bar.
        machine: What it runs on, looked at before anything is computed.
    """

    data: Path
    n_way: int
    n_shot: int
    n_query: int
    episodes: int
    seed: int
    json_path: Path
    picture: Path | None
    quiet: bool
    machine: Machine = field(default_factory=describe_machine)

    def write(self, result: Mapping[str, object]) -> None:
        """Write the figures together with the episodes and the machine.

        Args:
            result: Headline keys first.
        """
        episodes = {
            "n_way": self.n_way, "n_shot": self.n_shot, "n_query": self.n_query, "per_set": self.episodes,
            "seed": self.seed,
        }  # fmt: skip
        write_result(self.json_path, {**result, "episodes": episodes, "machine": self.machine})
        click.echo(f"Written: {self.json_path}" + (f", {self.picture}" if self.picture else ""))


class StudyCommand(click.Command):
    """A command in which the project's own errors are one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (HyperflowError, OSError, msgspec.MsgspecError) as error:
            raise click.ClickException(str(error)) from error


def output_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options `--json`, `--picture` and `--quiet`."""
    options = (
        click.option("--json", "json_path", type=FILE, required=True, help="File for all figures."),
        click.option("--picture", type=FILE, help="PNG file for the picture."),
        click.option("--quiet", is_flag=True, help="No progress bar."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def study_options(data: str = "--data", episodes: int = 50) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Options from which a `Study` is made.

    Args:
        data: Flag that names the evaluated image sets.
        episodes: Episodes a set by default.
    """
    count = click.IntRange(min=1)
    options = (
        click.option(data, "data", type=_DATA, required=True, help="Image sets that are evaluated."),
        click.option("--n-way", type=click.IntRange(min=2), default=5, show_default=True, help="Classes an episode."),
        click.option("--n-shot", type=count, default=5, show_default=True, help="Support images a class."),
        click.option("--n-query", type=count, default=10, show_default=True, help="Query images a class."),
        click.option("--episodes", type=click.IntRange(min=2), default=episodes, show_default=True,
                     help="Episodes a set."),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all chance."),
        output_options,
    )  # fmt: skip

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def numbers_of(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[float, ...]:
    """Read numbers with commas between them, as a callback of an option; sorted, each once."""
    try:
        numbers = {float(part) for part in value.split(",")}
    except ValueError as error:
        raise click.BadParameter(f"expected numbers with commas, such as 1,2,5, got {value!r}") from error
    if not all(0 <= number < float("inf") for number in numbers):
        raise click.BadParameter(f"expected numbers of 0 or more, got {value!r}")
    return tuple(sorted(numbers))


def progress_bar(*, quiet: bool) -> Progress:
    """A bar with rate and time left on the standard error; tasks need a field `rate`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), disable=quiet)
