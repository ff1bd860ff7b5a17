"""A whole evaluation, from journal to files and tables: of one size of episodes, or of several."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import msgspec
from rich.console import Console
from rich.table import Table

from hyperflow.errors import DataError
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.evaluating import evaluate
from hyperflow.evaluation.evaluation_files import EvaluationFiles
from hyperflow.evaluation.journal import Journal
from hyperflow.evaluation.progress import EvaluationProgress
from hyperflow.evaluation.report import tables_of
from hyperflow.evaluation.results import Evaluation
from hyperflow.evaluation.shape_report import shapes_table_of
from hyperflow.evaluation.shapes import Shape, overview_of, sorted_out
from hyperflow.evaluation.subjects import Subject
from hyperflow.images.image_set import ImageSet

__all__ = ["Run", "evaluate_run", "evaluate_shapes"]


@dataclass(frozen=True)
class Run:
    """What to evaluate, on what, how, and where to write it.

    Attributes:
        subject: Checkpoint or bundle.
        name: What to call it in the results.
        digest: Of `subject_digest`.
        sets: Where the episodes come from.
        config: Which episodes and methods.
        files: What to write.
        skipped: Sets that were left out of `sets`, and why.
    """

    subject: Subject
    name: str
    digest: str
    sets: Sequence[ImageSet]
    config: EvaluationConfig
    files: EvaluationFiles
    skipped: dict[str, str] | None = None

    def of_shape(self, shape: Shape) -> Run:
        """The same with episodes of another size, without the sets that are too small for it."""
        config = shape.of(self.config)
        sets, skipped = sorted_out(self.sets, config)
        return replace(self, config=config, sets=sets, files=self.files.of_shape(str(shape)), skipped=skipped)

    def journal(self, stack: ExitStack) -> Journal | None:
        """Open the journal, if there is a set, until `stack` is closed."""
        journal = self.files.journal(self.digest, self.config, self.sets) if self.sets else None
        return stack.enter_context(journal) if journal is not None else None

    def evaluated(self, journal: Journal | None, progress: EvaluationProgress) -> Evaluation:
        """Evaluate and write the files; the journal stays."""
        evaluation, records = evaluate(
            self.subject, self.name, self.sets, self.config, journal=journal, on_episode=progress.add
        )
        evaluation = msgspec.structs.replace(evaluation, skipped=self.skipped or {})
        self.files.write(evaluation, records)
        return evaluation


def _progress(runs: Sequence[tuple[Run, Journal | None]], *, quiet: bool) -> EvaluationProgress:
    n_all = sum(run.config.episodes * len(run.sets) for run, _ in runs)
    n_known = sum(len(journal.episodes) for _, journal in runs if journal is not None)
    return EvaluationProgress(n_all, n_known, n_per_set=runs[0][0].config.episodes, quiet=quiet)


def evaluate_run(run: Run, *, quiet: bool) -> list[Table]:
    """Evaluate one size of episodes.

    Args:
        run: What to do.
        quiet: Show no progress bar.

    Returns:
        Tables of the result.

    Raises:
        ConfigError: The subject cannot answer by one of the methods.
        DataError: A set has too few classes or images, an image cannot be decoded, or a result is not finite; or the
            journal is of another evaluation.
    """
    with ExitStack() as stack:
        journal = run.journal(stack)
        with _progress([(run, journal)], quiet=quiet) as progress:
            evaluation = run.evaluated(journal, progress)
    if journal is not None:
        journal.remove()
    return tables_of(evaluation)


def evaluate_shapes(run: Run, shapes: Sequence[Shape], *, quiet: bool) -> list[Table]:
    """Evaluate several sizes of episodes, each into files of its own; sets too small for one are left out and named.

    The journals stay until all is done, so that an interrupted evaluation goes on in any of them.

    Args:
        run: What to do; the size in its configuration does not matter.
        shapes: Which, at least one.
        quiet: Show no progress bar.

    Returns:
        Tables of every shape, and at the end one of them all.

    Raises:
        ConfigError: As `evaluate_run` says.
        DataError: As `evaluate_run` says, or no set is large enough for any of the shapes.
    """
    with ExitStack() as stack:
        runs = [run.of_shape(shape) for shape in shapes]
        for shape, one in zip(shapes, runs, strict=True):
            for name, reason in (one.skipped or {}).items():
                Console(stderr=True).print(f"{shape}: {name} is left out: {reason}", soft_wrap=True, highlight=False)
        if not any(one.sets for one in runs):
            raise DataError("no set is large enough for any of the shapes; ask for fewer ways, shots or queries")
        journals = [one.journal(stack) for one in runs]
        with _progress(list(zip(runs, journals, strict=True)), quiet=quiet) as progress:
            evaluations = [
                one.evaluated(journal, progress) if one.sets else None
                for one, journal in zip(runs, journals, strict=True)
            ]
        skipped, names = [one.skipped or {} for one in runs], [one.files.json_name for one in runs]
        overview = overview_of(run.name, list(zip(shapes, evaluations, skipped, names, strict=True)))
        run.files.write_overview(overview)
    for journal in journals:
        if journal is not None:
            journal.remove()
    tables = [table for evaluation in evaluations if evaluation is not None for table in tables_of(evaluation)]
    return [*tables, shapes_table_of(overview, n_sets=len(run.sets))]
