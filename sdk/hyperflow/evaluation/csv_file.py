"""Every answer as one row of a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hyperflow.evaluation.records import AnswerRecord, EpisodeRecord

__all__ = ["COLUMNS", "csv_of"]

COLUMNS = (
    *("set", "episode", "n_way", "n_support", "method", "accuracy", "seconds", "step_size", "failed"),
    *("confidence", "nll", "n_unknown", "auroc", "auroc_probability", "known_accepted", "unknown_rejected"),
)


def _calibration(answer: AnswerRecord) -> tuple[object, ...]:
    one = answer.calibration
    return (None, None) if one is None else (sum(one.confidence) / sum(one.counts), one.nll)


def _detection(answer: AnswerRecord) -> tuple[object, ...]:
    one = answer.detection
    return (None,) * 5 if one is None else msgspec.structs.astuple(one)


def _rows(records: Iterable[EpisodeRecord]) -> Iterable[tuple[object, ...]]:
    for record in records:
        for method, answer in record.answers.items():
            task = (record.set, record.index, record.n_way, record.n_support)
            told = (answer.accuracy, answer.seconds, answer.step_size, int(answer.failed))
            yield (*task, method, *told, *_calibration(answer), *_detection(answer))


def csv_of(records: Mapping[str, Sequence[EpisodeRecord]]) -> str:
    """Lay out records as CSV: shares in 0..1, nothing where a method has no such figure, 1 where one diverged."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for of_set in records.values():
        writer.writerows(_rows(of_set))
    return text.getvalue()
