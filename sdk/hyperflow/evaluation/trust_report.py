"""Calibration and the detection of unknown classes as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from hyperflow.evaluation.results import Evaluation
from hyperflow.evaluation.trust_results import CalibrationResult, DetectionResult

__all__ = ["calibration_table_of", "detection_table_of"]


def _rows(table: Table, name: str, cells: Mapping[str, Sequence[str]], style: str | None = None) -> None:
    table.add_section()
    for row, (method, of_method) in enumerate(cells.items()):
        table.add_row("" if row else name, method, *of_method, style=style)


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("set", overflow="fold")
    table.add_column("method", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _calibration_cells(results: Mapping[str, CalibrationResult]) -> dict[str, list[str]]:
    return {
        method: [str(one.ece), str(one.confidence), f"{one.nll.mean:.2f} ± {one.nll.ci95:.2f}"]
        for method, one in results.items()
    }


def calibration_table_of(evaluation: Evaluation) -> Table:
    """Lay out how far the probabilities can be believed, a row for each method of a set."""
    title = "Calibration: expected calibration error, mean confidence, both % ± 95% CI, and negative log-likelihood"
    table = _table(title, ("ECE", "confidence", "NLL, nats"))
    for name, results in evaluation.trust.calibration.items():
        _rows(table, name, _calibration_cells(results))
    _rows(table, "mean over sets", _calibration_cells(evaluation.trust.mean_calibration), "bold")
    return table


def _detection_cells(results: Mapping[str, DetectionResult]) -> dict[str, list[str]]:
    return {
        method: [str(e) for e in (one.auroc, one.auroc_probability, one.known_accepted, one.unknown_rejected)]
        for method, one in results.items()
    }


def detection_table_of(evaluation: Evaluation) -> Table:
    """Lay out how unknown queries were told from known ones, a row for each method of a set."""
    title = "Unknown classes: AUROC of cosine and of probability; known queries kept, unknown ones rejected; % ± 95% CI"
    table = _table(title, ("cosine", "probability", "kept", "rejected"))
    for name, results in evaluation.trust.detection.items():
        _rows(table, name, _detection_cells(results))
    for name in evaluation.trust.no_spare_classes:
        _rows(table, f"{name}: no spare classes", {"": ["-"] * 4})
    _rows(table, "mean over sets", _detection_cells(evaluation.trust.mean_detection), "bold")
    return table
