"""The loop around every training: progress, log, saving, resuming."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hyperflow.errors import TrainingError
from hyperflow.training.state import load_state, save_state

__all__ = ["LoopOptions", "one_cycle", "run_loop"]

STATE_NAME = "state.safetensors"
LOG_NAME = "log.jsonl"


@dataclass(frozen=True)
class LoopOptions:
    """How a run is watched and kept.

    Attributes:
        folder: Holds the state and the log of the run.
        n_steps: Steps of the whole run.
        resume: Go on from the state in `folder`.
        log_every: Steps between two lines of the log.
        save_every: Steps between two saved states.
        quiet: Show no progress bar.
    """

    folder: Path
    n_steps: int
    resume: bool = False
    log_every: int = 50
    save_every: int = 500
    quiet: bool = False


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
) -> None:
    """Run the steps of a training, from the start or from where an earlier run was stopped.

    A step draws its chance from the seed and its own number, or from a generator that `state` keeps, so a resumed run
    equals one that never stopped.

    Args:
        options: Where and how long.
        step: Does step number i and returns figures to log.
        state: Everything that a later `restore` needs, as named tensors.
        restore: Puts a state back.

    Raises:
        TrainingError: The folder already holds a run, a state cannot be read or is of another run, or a figure is not
            finite.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    state_path, log_path = options.folder / STATE_NAME, options.folder / LOG_NAME
    first = 0
    if options.resume:
        tensors, first = load_state(state_path)
        try:
            restore(tensors)
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(
                f"{state_path} is the state of another run; resume with the data and configuration it was started with"
            ) from error
    elif state_path.exists():
        raise TrainingError(f"{options.folder} already holds a run; add --resume to go on, or name another folder")
    meter = _Meter()
    with log_path.open("a") as log, _progress(options.quiet) as progress:
        bar = progress.add_task("steps", total=options.n_steps, completed=first, rate="", figures="")
        for index in range(first, options.n_steps):
            meter.add(step(index))
            done = index + 1
            is_last = done == options.n_steps
            if done % options.log_every == 0 or is_last:
                figures = meter.read()
                log.write(json.dumps({"step": done, **figures}) + "\n")
                log.flush()
                if not all(map(math.isfinite, figures.values())):
                    raise TrainingError(f"step {done}: {figures} is not finite; lower the learning rate and resume")
                rate = figures.pop("steps_per_s")
                shown = " ".join(f"{name} {figure:.3f}" for name, figure in figures.items())
                progress.update(bar, rate=f"{rate:.2f}/s", figures=shown)
            progress.update(bar, completed=done)
            if done % options.save_every == 0 or is_last:
                save_state(state_path, state(), done)


def _progress(quiet: bool) -> Progress:
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
    return Progress(*columns, console=Console(stderr=True), disable=quiet)


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
