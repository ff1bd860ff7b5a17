"""A progress bar for what turns out to take long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["late_progress"]


@contextmanager
def late_progress(what: str, *, after_s: float = 2.0) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal's standard error once the block has taken a while; nothing elsewhere.

    Args:
        what: What is counted.
        after_s: Seconds until it appears.

    Yields:
        To be told how many are done, of how many.
    """
    console = Console(stderr=True)
    columns = TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task, start = progress.add_task(what), time.monotonic()

    def announce(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)
        if time.monotonic() - start > after_s:
            progress.start()

    try:
        yield announce
    finally:
        progress.stop()
