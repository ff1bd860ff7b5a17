"""Classify photos by a few examples in folders. See README.md beside this file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from hyperflow_runtime import HyperflowRuntimeError, open_bundle
from photos import QueryPhoto, class_folders, query_photos, split
from picture import draw_sheet
from recognition import Recognition, recognise
from summary import accuracy, accuracy_table, answer_table, as_json, sheet_rows, stage_table

EXISTING = click.Path(exists=True, path_type=Path)
MOST_ROWS_SHOWN = 30


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("support", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("query", type=EXISTING, required=False)
@click.option("--bundle", type=EXISTING, default="build/small.hyperflow", show_default=True, help="Exported model.")
@click.option(
    "--n-shot", type=click.IntRange(min=1), default=5, show_default=True, help="Shots a class, without QUERY."
)
@click.option("--n-query", type=click.IntRange(min=1), default=6, show_default=True, help="Queries a class then.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of that draw.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="Write a contact sheet to this file.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Save the adaptation to this file.")
@click.option("--json", "is_json", is_flag=True, help="Print the result as JSON, and nothing else.")
def main(
    support: Path, query: Path | None, bundle: Path, n_shot: int, n_query: int, seed: int, picture: Path | None,
    save: Path | None, is_json: bool,
) -> None:  # fmt: skip
    """Learn classes from SUPPORT (CLASS/IMAGE) and name the photos of QUERY: a photo, a folder, or class folders.

    Without QUERY, each class of SUPPORT is divided by chance into shots to learn from and photos to ask about.

    \b
    Example:
      python samples/folder_classifier/classify.py photos/known photos/new --picture sheet.png --save desk.adaptation
    """
    try:
        if query is None:
            known, queries = split(class_folders(support), n_shot, n_query, seed)
        else:
            known, queries = class_folders(support), query_photos(query)
        result = _run(bundle, known, queries, save, quiet=is_json)
    except (HyperflowRuntimeError, ValueError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    if is_json:
        click.echo(json.dumps(as_json(result, queries)))
    else:
        _print(result, queries)
    if picture is not None:
        _write_picture(picture, result, known, queries)
        click.echo(f"Picture: {picture}", err=is_json)


def _run(
    bundle: Path, support: dict[str, list[Path]], queries: list[QueryPhoto], save: Path | None, *, quiet: bool
) -> Recognition:
    with open_bundle(bundle) as model, Progress(console=Console(stderr=True), disable=quiet) as progress:
        bar = progress.add_task("learn", total=sum(map(len, support.values())) + 2 * len(queries))
        session = model.session(bake=False)  # two short batches: baking would not pay
        result = recognise(
            session, support, queries, progress=lambda stage: progress.update(bar, advance=1, description=stage)
        )
        if save is not None:
            session.save(save, overwrite=True)
    return result


def _print(result: Recognition, queries: list[QueryPhoto]) -> None:
    console = Console()
    console.print(stage_table(result))
    by_class = accuracy_table(result, queries)
    if by_class is not None:
        console.print(by_class)
    elif len(queries) <= MOST_ROWS_SHOWN:
        console.print(answer_table(result, queries))
    else:
        console.print(f"{len(queries)} photos; add --json for every answer")
    for note in result.report.notes:
        console.print(f"Note: {note}")
    step_size = result.report.step_size
    console.print(f"Guard: {'adapted, step size ' + format(step_size, 'g') if step_size else 'left theta as it was'}")


def _write_picture(path: Path, result: Recognition, support: dict[str, list[Path]], queries: list[QueryPhoto]) -> None:
    shares = [accuracy(answers, queries) for answers in (result.direct, result.adapted)]
    named = [f"{name} {share[0]:.0%}" for name, share in zip(("direct", "adapted"), shares, strict=True) if share]
    n_photos = sum(map(len, support.values()))
    title = f"{len(support)} new things from {n_photos} photos"
    subtitle = "   ·   ".join([*named, f"adapted in {result.report.timings_ms['total']:.0f} ms, without a gradient"])
    partial = path.with_name(f".{path.name}.partial.png")
    draw_sheet(sheet_rows(result, support, queries), title=title, subtitle=subtitle).save(partial)
    os.replace(partial, path)


if __name__ == "__main__":
    main()
