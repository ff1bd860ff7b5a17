"""The loop around every training: progress, log, saving, resuming."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hyperflow.errors import TrainingError
from hyperflow.training.cost import Spent
from hyperflow.training.state import load_state, save_state

__all__ = ["LoopOptions", "one_cycle", "run_loop"]

STATE_NAME = "state.safetensors"
LOG_NAME = "log.jsonl"
_SPENT = "loop.spent"


@dataclass(frozen=True)
class LoopOptions:
    """How a run is watched and kept.

    Attributes:
        folder: Holds the state and the log of the run.
        n_steps: Steps of the whole run.
        resume: Go on from the state in `folder`.
        log_every: Steps between two lines of the log.
        save_every: Steps between two saved states.
        save_every_s: Seconds between two saved states, for steps that take long.
        validate_every: Steps between two validations; 0 for none.
        quiet: Show no progress bar.
        writes: Whether this process writes the files; of several workers one does.
        name: What the progress bar calls the run.
    """

    folder: Path
    n_steps: int
    resume: bool = False
    log_every: int = 50
    save_every: int = 500
    save_every_s: float = 45.0
    validate_every: int = 0
    quiet: bool = False
    writes: bool = True
    name: str = "steps"


def one_cycle(step: int, n_steps: int, peak: float, *, warm_up: float = 0.05) -> float:
    """Learning rate at a step: linear rise to `peak`, then half a cosine down to 1% of it.

    Args:
        step: 0 .. n_steps-1.
        n_steps: Length of the run.
        peak: Highest rate.
        warm_up: Share of the run that rises, in (0, 1).
    """
    progress = (step + 1) / n_steps
    if progress < warm_up:
        return peak * progress / warm_up
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up))))


def run_loop(
    options: LoopOptions,
    *,
    step: Callable[[int], Mapping[str, float]],
    state: Callable[[], Mapping[str, torch.Tensor]],
    restore: Callable[[Mapping[str, torch.Tensor]], None],
    validate: Callable[[], tuple[Mapping[str, float], bool]] | None = None,
) -> Spent:
    """Run the steps of a training, from the start or from where an earlier run was stopped.

    A step draws its chance from the seed and its own number, or from a generator that `state` keeps, so a resumed run
    equals one that never stopped.

    Args:
        options: Where and how long.
        step: Does step number i and returns figures to log.
        state: Everything that a later `restore` needs, as named tensors.
        restore: Puts a state back.
        validate: Returns figures to log, and whether the run should stop here.

    Returns:
        Time spent, that of earlier, interrupted runs included.

    Raises:
        TrainingError: The folder already holds a run, a state cannot be read or is of another run, or a figure is not
            finite.
    """
    first, earlier = _start(options, restore)
    keeper = _Keeper(options, state, first, earlier)
    meter = _Meter()
    with (options.folder / LOG_NAME).open("a" if options.writes else "r") as log, _progress(options) as progress:
        bar = progress.add_task(options.name, total=options.n_steps, completed=first, rate="", figures="")
        for index in range(first, options.n_steps):
            done = index + 1
            meter.add(_finite(step(index), done, keeper))
            is_last = done == options.n_steps
            if done % options.log_every == 0 or is_last:
                figures = meter.read()
                _write_line(log, options, {"step": done, **figures})
                rate = figures.pop("steps_per_s")
                shown = " ".join(f"{name} {figure:.3f}" for name, figure in figures.items())
                progress.update(bar, rate=f"{rate:.2f}/s", figures=shown)
            progress.update(bar, completed=done)
            if validate is not None and options.validate_every and (done % options.validate_every == 0 or is_last):
                validated, stops = validate()
                _write_line(log, options, {"step": done, **validated})
                if stops:
                    keeper.save(options.n_steps)
                    break
            keeper.save_when_due(done)
    return keeper.spent


def _start(options: LoopOptions, restore: Callable[[Mapping[str, torch.Tensor]], None]) -> tuple[int, Spent]:
    """Make the folder, or restore the state in it; return the first step to do, and the time spent before."""
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / STATE_NAME
    if not options.resume:
        if path.exists():
            raise TrainingError(f"{options.folder} already holds a run; add --resume to go on, or name another folder")
        (options.folder / LOG_NAME).touch()
        return 0, Spent()
    tensors, first = load_state(path)
    try:
        restore(tensors)
        cpu_seconds, seconds = tensors[_SPENT].tolist()
    except (KeyError, RuntimeError, ValueError) as error:
        raise TrainingError(
            f"{path} is the state of another run; resume with the data and configuration it was started with"
        ) from error
    return first, Spent(cpu_seconds, seconds)


def _write_line(log: TextIO, options: LoopOptions, figures: Mapping[str, float]) -> None:
    if options.writes:
        log.write(json.dumps(figures) + "\n")
        log.flush()


def _finite(figures: Mapping[str, float], done: int, keeper: _Keeper) -> Mapping[str, float]:
    if not all(map(math.isfinite, figures.values())):
        raise TrainingError(
            f"step {done}: {dict(figures)} is not finite; the last good state is that after step {keeper.saved}: "
            "lower the learning rate and resume"
        )
    return figures


class _Keeper:
    """Saves the state often enough that a kill loses less than a minute."""

    def __init__(
        self, options: LoopOptions, state: Callable[[], Mapping[str, torch.Tensor]], first: int, earlier: Spent
    ) -> None:
        self._options, self._state, self._earlier = options, state, earlier
        self.saved = first
        self._when = self._start = time.monotonic()
        self._cpu_start = time.process_time()

    @property
    def spent(self) -> Spent:
        return self._earlier + Spent(time.process_time() - self._cpu_start, time.monotonic() - self._start)

    def save_when_due(self, done: int) -> None:
        is_late = time.monotonic() - self._when > self._options.save_every_s
        if done % self._options.save_every == 0 or is_late or done == self._options.n_steps:
            self.save(done)

    def save(self, done: int) -> None:
        if self._options.writes:
            spent = torch.tensor([self.spent.cpu_seconds, self.spent.seconds], dtype=torch.float64)
            save_state(self._options.folder / STATE_NAME, {**self._state(), _SPENT: spent}, done)
        self.saved, self._when = done, time.monotonic()


def _progress(options: LoopOptions) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    return Progress(*columns, console=Console(stderr=True), disable=options.quiet or not options.writes)


class _Meter:
    """Means of figures, and the rate, since the last reading."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._n_added = 0
        self._since = time.perf_counter()

    def add(self, figures: Mapping[str, float]) -> None:
        for name, figure in figures.items():
            self._sums[name] += figure
        self._n_added += 1

    def read(self) -> dict[str, float]:
        figures = {name: total / self._n_added for name, total in self._sums.items()}
        figures["steps_per_s"] = self._n_added / (time.perf_counter() - self._since)
        self._reset()
        return figures
