"""The phases of a build on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from hyperflow_export.engine.monitor import PhaseListener

__all__ = ["shown_phases"]


@contextmanager
def shown_phases(console: Console) -> Iterator[PhaseListener | None]:
    """Show a build's phases while the block runs, each a bar below the phase it belongs to; gone when it ends.

    Args:
        console: Where; nothing is shown, and None given, when it is no terminal.
    """
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress)


class _Bars:
    """Bars of the phases that run now. TensorRT calls from several threads at once."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._lock = progress, Lock()
        self._running: dict[str, tuple[TaskID, int]] = {}

    def start(self, phase: str, parent: str | None, n_steps: int) -> None:
        with self._lock:
            depth = self._running[parent][1] + 1 if parent in self._running else 0
            task = self._progress.add_task("  " * depth + phase.replace("[", r"\["), total=n_steps)
            if phase in self._running:  # one for each profile may run at the same time; the newest is shown
                self._progress.remove_task(self._running[phase][0])
            self._running[phase] = (task, depth)

    def step(self, phase: str, step: int) -> None:
        with self._lock:
            if phase in self._running:
                self._progress.update(self._running[phase][0], completed=step + 1)

    def finish(self, phase: str) -> None:
        with self._lock:
            if phase in self._running:
                self._progress.remove_task(self._running.pop(phase)[0])
