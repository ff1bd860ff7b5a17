"""Every answer as one row of a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from hyperflow.evaluation.records import EpisodeRecord

__all__ = ["COLUMNS", "csv_of"]

COLUMNS = ("set", "episode", "n_way", "n_support", "method", "accuracy", "seconds", "step_size", "failed")


def _rows(records: Iterable[EpisodeRecord]) -> Iterable[tuple[object, ...]]:
    for record in records:
        for method, answer in record.answers.items():
            task = (record.set, record.index, record.n_way, record.n_support)
            yield (*task, method, answer.accuracy, answer.seconds, answer.step_size, int(answer.failed))


def csv_of(records: Mapping[str, Sequence[EpisodeRecord]]) -> str:
    """Lay out records as CSV: accuracy in 0..1, an empty step size for a method without one, 1 where one diverged."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for of_set in records.values():
        writer.writerows(_rows(of_set))
    return text.getvalue()
