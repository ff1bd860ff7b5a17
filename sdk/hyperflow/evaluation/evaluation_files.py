"""The files of an evaluation: its journal while it runs, and what it leaves behind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import msgspec

from hyperflow.errors import ConfigError
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.csv_file import csv_of
from hyperflow.evaluation.evaluating import Records
from hyperflow.evaluation.journal import Journal, run_digest
from hyperflow.evaluation.results import Evaluation
from hyperflow.evaluation.shapes import ShapesOverview
from hyperflow.images.image_set import ImageSet

__all__ = ["EvaluationFiles", "write_whole"]


def _require_matplotlib() -> None:
    if find_spec("matplotlib") is None:
        raise ConfigError("plots need matplotlib: pip install 'hyperflow[plots]'")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside `path`, then rename it, so that `path` is never half-written. Makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


class EvaluationFiles:
    """Where an evaluation writes."""

    def __init__(self, json: Path | None, csv: Path | None, plots: Path | None, *, resume: bool = False) -> None:
        """Name the files; each is left out when None.

        Args:
            json: Everything. The journal lies beside it.
            csv: One row an answer.
            plots: Folder of the plots.
            resume: Go on from the journal.

        Raises:
            ConfigError: `resume` without `json`, or plots without matplotlib.
        """
        if resume and json is None:
            raise ConfigError("--resume needs the --json of the interrupted evaluation")
        if plots is not None:
            _require_matplotlib()
        self._json, self._csv, self._plots, self._resume = json, csv, plots, resume

    def of_shape(self, shape: str) -> EvaluationFiles:
        """Files of one shape, beside these: `results-5x1.json` for `results.json`, `plots/5x1` for `plots`."""
        json, csv = (path and path.with_name(f"{path.stem}-{shape}{path.suffix}") for path in (self._json, self._csv))
        return EvaluationFiles(json, csv, self._plots and self._plots / shape, resume=self._resume)

    @property
    def json_name(self) -> str:
        """Name of the JSON file in its folder; empty without one."""
        return self._json.name if self._json is not None else ""

    @property
    def journal_path(self) -> Path | None:
        """The journal, beside the JSON file: `results.journal.jsonl` for `results.json`."""
        return self._json and self._json.with_name(f"{self._json.stem}.journal.jsonl")

    def journal(self, subject: str, config: EvaluationConfig, sets: Sequence[ImageSet]) -> Journal | None:
        """Open the journal; None without a JSON file.

        Args:
            subject: Of `subject_digest`.
            config: Of the evaluation.
            sets: Of the evaluation.

        Raises:
            DataError: As `Journal` says.
        """
        if self.journal_path is None:
            return None
        self.journal_path.parent.mkdir(parents=True, exist_ok=True)
        return Journal(self.journal_path, run_digest(subject, config, sets), resume=self._resume)

    def write_overview(self, overview: ShapesOverview) -> None:
        """Write the means of all shapes, if a JSON file was asked for."""
        if self._json is not None:
            write_whole(self._json, msgspec.json.format(msgspec.json.encode(overview), indent=2) + b"\n")

    def write(self, evaluation: Evaluation, records: Records) -> None:
        """Write everything that was asked for, each file whole."""
        if self._csv is not None:
            write_whole(self._csv, csv_of(records).encode())
        if self._plots is not None:
            from hyperflow.evaluation.plots import draw_plots

            draw_plots(evaluation, self._plots)
        if self._json is not None:
            write_whole(self._json, msgspec.json.format(msgspec.json.encode(evaluation), indent=2) + b"\n")
