"""Classify photos by a few examples, with the model on a Triton server. See README.md beside this file."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from hyperflow_runtime import AdaptReport, HyperflowRuntimeError, Model, Prediction, Session, read_image
from hyperflow_runtime.bundle.reader import read_bundle
from photos import class_folders, photos_in

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FRAMES_A_CALL = 32


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("url")
@click.argument("bundle", type=FOLDER)
@click.argument("support", type=FOLDER)
@click.argument("query", type=FOLDER)
@click.option("--name", help="First part of the models' names on the server, by default the bundle's name.")
@click.option("--timeout-s", type=click.FloatRange(min=0, min_open=True), default=30.0, show_default=True,
              help="Longest wait for the server.")  # fmt: skip
@click.option("--json", "is_json", is_flag=True, help="Print the result as JSON, and nothing else.")
def main(url: str, bundle: Path, support: Path, query: Path, name: str | None, timeout_s: float, is_json: bool) -> None:
    """Learn classes from SUPPORT (CLASS/IMAGE), adapt on the server at URL, and name the photos of QUERY.

    BUNDLE is the folder that the server's models were exported from.

    \b
    Example:
      python samples/triton_client/classify.py http://localhost:8000 desk.hyperflow photos/known photos/new
    """
    try:
        from triton_backend import TritonBackend

        known, queries = class_folders(support), photos_in(query)
        opened = read_bundle(bundle)
        with Model(opened, TritonBackend(opened, url, name=name, timeout_s=timeout_s)) as model:
            report, answers = _recognise(model.session(), known, queries)
            backend = model.backend
    except ModuleNotFoundError as error:
        library = (error.name or "tritonclient").partition(".")[0]
        failure = f"{library} is missing; pip install -r samples/triton_client/requirements.txt"
    except (HyperflowRuntimeError, ValueError) as error:
        failure = str(error)
    else:
        if is_json:
            click.echo(json.dumps(_plain(backend, report, queries, answers)))
        else:
            _print(backend, report, [photo.relative_to(query) for photo in queries], answers)
        return
    click.echo(f"Error: {failure}", err=True)
    sys.exit(1)


def _plain(backend: str, report: AdaptReport, queries: list[Path], answers: list[Prediction]) -> dict[str, object]:
    photos = [
        {
            "photo": str(path),
            "label": answer.label,
            "probability": answer.probability,
            "scores": dict(answer.scores),
            "cosine": answer.cosine,
            "unknown_threshold": answer.unknown_threshold,
        }
        for path, answer in zip(queries, answers, strict=True)
    ]
    return {"backend": backend, "report": dataclasses.asdict(report), "photos": photos}


def _recognise(
    session: Session, known: dict[str, list[Path]], queries: list[Path]
) -> tuple[AdaptReport, list[Prediction]]:
    for label, photos in known.items():
        session.add(label, [read_image(photo) for photo in photos])
    report = session.adapt()
    answers: list[Prediction] = []
    for some in _in_parts(queries):
        answers += session.predict_batch([read_image(photo) for photo in some])
    return report, answers


def _in_parts(photos: list[Path]) -> Iterator[list[Path]]:
    for start in range(0, len(photos), FRAMES_A_CALL):
        yield photos[start : start + FRAMES_A_CALL]


def _print(backend: str, report: AdaptReport, names: list[Path], answers: list[Prediction]) -> None:
    table = Table("photo", "answer", "probability", title=backend, title_justify="left")
    for path, answer in zip(names, answers, strict=True):
        table.add_row(str(path), answer.label or "unknown", f"{answer.probability:.0%}")
    console = Console()
    console.print(table)
    for note in report.notes:
        console.print(f"Note: {note}")
    milliseconds = report.timings_ms["total"]
    chosen = f"step size {report.step_size:g}" if report.step_size else "theta left as it was"
    console.print(f"Adapted in {milliseconds:.0f} ms, {report.n_encoded} encodings and the network included: {chosen}")


if __name__ == "__main__":
    main()
