"""Accuracy over shots or ways: the same evaluation at several sizes of the fixed protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from hyperflow.errors import ConfigError
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.evaluating import evaluate
from hyperflow.evaluation.plots import Line, draw_lines
from hyperflow.evaluation.records import EpisodeRecord
from hyperflow.evaluation.results import Evaluation
from hyperflow.evaluation.subjects import Subject
from hyperflow.images.image_set import ImageSet

__all__ = ["draw_sweep", "evaluate_sweep"]

Swept = Literal["n_shot", "n_way"]


def evaluate_sweep(
    subject: Subject,
    name: str,
    sets: Sequence[ImageSet],
    config: EvaluationConfig,
    *,
    over: Swept,
    values: Sequence[int],
    on_episode: Callable[[EpisodeRecord], None] | None = None,
) -> dict[int, Evaluation]:
    """Evaluate at several numbers of shots or ways.

    Args:
        subject: Checkpoint or bundle.
        name: What to call it in the results.
        sets: Where the episodes come from.
        config: Everything else, of the fixed protocol, or of CDFSL when shots are swept.
        over: What to vary.
        values: Its values.
        on_episode: Told every episode.

    Returns:
        The evaluation at each value.

    Raises:
        ConfigError: The protocol does not take the quantity, or takes it otherwise.
        DataError: As `evaluate` says.
    """
    if config.protocol != "fixed" and (config.protocol, over) != ("cdfsl", "n_shot"):
        raise ConfigError(f"protocol {config.protocol} decides {over} by itself; sweep the fixed protocol")
    results = {}
    for value in values:
        changed = (
            msgspec.structs.replace(config, n_shot=value)
            if over == "n_shot"
            else msgspec.structs.replace(config, n_way=value)
        )
        results[value], _ = evaluate(subject, name, sets, changed, on_episode=on_episode)
    return results


def draw_sweep(results: Mapping[int, Evaluation], over: Swept, folder: Path) -> None:
    """Draw the mean over sets of every method over the swept quantity, as `draw_lines` does.

    Args:
        results: Of `evaluate_sweep`.
        over: What was varied.
        folder: Made when absent.
    """
    methods = list(next(iter(results.values())).mean.accuracy)
    lines = {
        method: Line([float(value) for value in results], [one.mean.accuracy[method] for one in results.values()])
        for method in methods
    }
    draw_lines(lines, folder, f"accuracy_over_{over}", x="support images a class" if over == "n_shot" else "classes")
