"""A recognition as tables, as JSON, and as the rows of a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from rich.table import Table

from hyperflow_runtime import Prediction, read_image
from photos import QueryPhoto
from picture import Query, SheetRow
from recognition import Recognition

UNKNOWN = "(unknown)"


def accuracy(predictions: Sequence[Prediction], queries: Sequence[QueryPhoto]) -> tuple[float, float] | None:
    """Share of queries named right when a class must be named, and when "unknown" may be; None without truths."""
    known = [(p, q) for p, q in zip(predictions, queries, strict=True) if q.truth is not None]
    if not known:
        return None
    named = sum(prediction.best == query.truth for prediction, query in known)
    believed = sum(prediction.label == query.truth for prediction, query in known)
    return named / len(known), believed / len(known)


def stage_table(recognition: Recognition) -> Table:
    """Seconds of each stage, and the milliseconds inside the adaptation."""
    table = Table("stage", "time", title="Time", title_justify="left")
    for stage, seconds in recognition.seconds.items():
        table.add_row(stage, f"{seconds:.3f} s")
    for stage, timing_ms in recognition.report.timings_ms.items():
        table.add_row(f"  adapt: {stage}", f"{timing_ms:.2f} ms")
    return table


def accuracy_table(recognition: Recognition, queries: Sequence[QueryPhoto]) -> Table | None:
    """Direct against adapted, a row a class; None when the queries have no classes."""
    truths = sorted({query.truth for query in queries if query.truth is not None})
    if not truths:
        return None
    table = Table("class", "photos", "direct", "adapted", title="Named right", title_justify="left")
    for truth in (*truths, None):
        rows = [
            index for index, query in enumerate(queries) if query.truth is not None and truth in (None, query.truth)
        ]
        shares = [
            sum(answers[row].best == queries[row].truth for row in rows) / len(rows)
            for answers in (recognition.direct, recognition.adapted)
        ]
        if truth is None:
            table.add_section()
        cells = (str(len(rows)), *(f"{share:.0%}" for share in shares))
        table.add_row(truth or "all", *cells, style="" if truth else "bold")
    return table


def answer_table(recognition: Recognition, queries: Sequence[QueryPhoto]) -> Table:
    """One row a photo: the label, its probability, and the runner-up."""
    table = Table("photo", "label", "probability", "cosine", "if it had to be named", title="Answers")
    for query, answer in zip(queries, recognition.adapted, strict=True):
        table.add_row(
            query.path.name, answer.label or UNKNOWN, f"{answer.probability:.0%}", f"{answer.cosine:.2f}", answer.best
        )
    return table


def as_json(recognition: Recognition, queries: Sequence[QueryPhoto]) -> dict[str, Any]:
    """Everything, as plain values."""
    report = recognition.report
    return {
        "n_shots": dict(report.n_shots),
        "step_size": report.step_size,
        "leave_one_out_accuracy": report.leave_one_out_accuracy,
        "notes": list(report.notes),
        "timings_ms": dict(report.timings_ms),
        "seconds": recognition.seconds,
        "accuracy_direct": (accuracy(recognition.direct, queries) or (None,))[0],
        "accuracy_adapted": (accuracy(recognition.adapted, queries) or (None,))[0],
        "photos": [
            {
                "path": str(query.path),
                "truth": query.truth,
                "label": answer.label,
                "probability": answer.probability,
                "scores": dict(answer.scores),
            }
            for query, answer in zip(queries, recognition.adapted, strict=True)
        ],
    }


def _photo(path: Path) -> Image.Image:
    return Image.fromarray(read_image(path)[:, :, ::-1])


def sheet_rows(
    recognition: Recognition, support: dict[str, list[Path]], queries: Sequence[QueryPhoto]
) -> list[SheetRow]:
    """Rows by true class where that is known, else by the answer given."""
    are_known = all(query.truth is not None for query in queries)
    answered = list(zip(queries, recognition.direct, recognition.adapted, strict=True))
    rows = []
    for label in (*support, *([] if are_known else [UNKNOWN])):
        mine = [
            Query(_photo(query.path), direct.label, adapted.label)
            for query, direct, adapted in answered
            if (query.truth if are_known else adapted.label or UNKNOWN) == label
        ]
        learned_from = [_photo(path) for path in support.get(label, [])]
        rows.append(SheetRow(label, learned_from, mine, is_known=are_known))
    return rows
