"""`hyperflow datasets`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperflow.datasets.checking import DatasetReport
    from hyperflow.datasets.split import Split

__all__ = ["command"]


@click.group("datasets")
def command() -> None:
    """Look at datasets before they are used.

    \b
    Example:
      hyperflow datasets check data/eval
    """


@command.command("check")
@click.argument("path", metavar="DIR", type=click.Path(exists=True, path_type=Path))
@click.option("--split", type=click.Choice(["TRAIN", "VALID", "TEST"], case_sensitive=False),
              metavar="[TRAIN|VALID|TEST]",
              help="Only the classes of this split, where the dataset has splits.")  # fmt: skip
@click.option("--n-images", type=click.IntRange(min=0), default=100, show_default=True,
              help="Images of each set to decode, spread evenly; the last of each class comes on top.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the reports as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bar, and nothing printed when all is well.")
def check(path: Path, split: Split | None, n_images: int, as_json: bool, quiet: bool) -> None:
    """Say what DIR holds, what is absent or broken, and which protocols it can serve.

    Known layouts: folders and zips of CLASS/IMAGE, also with splits.json; Meta-Dataset as TFRecords or HDF5 with
    dataset_spec.json; EuroSAT, ISIC 2018, CropDiseases and ChestX as downloaded; ORBIT. DIR is one of these or a
    folder of them. The exit code is 1 when something that is named is absent or does not decode.

    \b
    Example:
      hyperflow datasets check data/eval --n-images 20 --json
    """
    import msgspec
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    from hyperflow.datasets.checking import check_datasets

    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        bar = progress.add_task("listing", total=None, rate="")

        def advance(name: str, n_all: int) -> None:
            speed = progress.tasks[bar].speed
            rate = f"{speed:.0f} images/s" if speed else ""
            progress.update(bar, advance=1, total=n_all, description=f"decoding {name}", rate=rate)

        reports = check_datasets(path, split, n_images=n_images, progress=advance)
    is_whole = all(report.is_whole for report in reports)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(reports), indent=2).decode())
    elif not (quiet and is_whole):
        click.echo("\n".join(line for report in reports for line in _lines_of(report)))
    if not is_whole:
        raise click.exceptions.Exit(1)


def _lines_of(report: DatasetReport) -> Iterator[str]:
    """Describe a dataset for reading; lines that begin with MISSING or BROKEN are what the exit code is about."""
    yield f"{report.path}: {report.layout}"
    yield from (f"  MISSING {line}" for line in report.missing)
    for entry in report.sets:
        least = ", ".join(f"{size} images: {n}" for size, n in entry.classes_of_least.items())
        yield (
            f"  {entry.name}: {entry.n_classes} classes, {entry.n_images} images, "
            f"smallest class {entry.smallest_class}, {entry.n_decoded} of {entry.n_tried} decoded"
        )
        yield f"    classes of at least {least}"
        yield f"    serves {', '.join(entry.serves) or 'no protocol'}"
        yield from (f"    BROKEN {line}" for line in entry.broken)
