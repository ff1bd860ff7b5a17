"""How an evaluation is getting on: a bar with rate and time left, and the means so far, on the standard error."""

from __future__ import annotations

from collections import defaultdict
from time import perf_counter
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hyperflow.evaluation.records import EpisodeRecord

__all__ = ["EvaluationProgress"]


class EvaluationProgress:
    """Shows episodes as they come. Use it under `with`."""

    def __init__(self, n_episodes: int, n_known: int, *, n_per_set: int, quiet: bool) -> None:
        """Show nothing yet.

        Args:
            n_episodes: Episodes over all sets.
            n_known: How many of these an earlier run answered.
            n_per_set: Episodes of one set.
            quiet: Never show anything.
        """
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("ETA"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[means]}"),  # last, because a narrow terminal cuts it off
            console=Console(stderr=True),
            disable=quiet,
        )
        self._bar = self._progress.add_task("episodes", total=n_episodes, rate="", means="")
        self._n_known, self._n_per_set, self._n_done = n_known, n_per_set, 0
        self._accuracies: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, record: EpisodeRecord) -> None:
        """Count one episode; after the last one of a set its means stay on the screen."""
        if record.index == 0:
            self._accuracies.clear()
        self._n_done += 1
        for method, answer in record.answers.items():
            self._accuracies[method].append(answer.accuracy)
        means = " ".join(f"{method} {100 * sum(a) / len(a):.1f}" for method, a in self._accuracies.items())
        rate = max(self._n_done - self._n_known, 0) / max(perf_counter() - self._first, 1e-9)
        self._progress.update(self._bar, advance=1, description=record.set, rate=f"{rate:.2f}/s", means=means)
        if record.index + 1 == self._n_per_set and not self._progress.disable:
            self._progress.console.print(f"{record.set}: {means}")

    def __enter__(self) -> EvaluationProgress:
        self._first = perf_counter()
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()
