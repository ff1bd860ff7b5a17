"""What fp16 and int8 cost in accuracy: paired differences to fp32 on the same episodes.

Takes what `hyperflow evaluate BUNDLE --json` wrote for bundles of one checkpoint, with the same data, shape and seed.
Example::

    python benchmarks/precision_accuracy.py fp32=small.json fp16=small-fp16.json int8=small-int8.json --json OUT
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
import numpy as np
from machine import describe_machine, write_result
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

__all__ = ["Evaluation", "PrecisionCost", "main", "precision_costs", "read_evaluation"]

_METHODS = ("direct", "adapted", "guarded")
_SAME = ("n_way", "n_shot", "n_query", "seed", "protocol")

Points = NDArray[np.float64]


class _Set(msgspec.Struct):
    per_episode: dict[str, list[float]]


class Evaluation(msgspec.Struct):
    """The part of an evaluation's file that is needed here.

    Attributes:
        subject: What was evaluated.
        config: How.
        sets: Accuracy in 0..1 of each method in each episode, by set.
    """

    subject: str
    config: dict[str, object]
    sets: dict[str, _Set]


class Difference(msgspec.Struct, frozen=True):
    """Mean paired difference in percentage points, and the half-width of its 95 % interval (1.96 std / sqrt(n))."""

    mean: float
    ci95: float


class PrecisionCost(msgspec.Struct, frozen=True):
    """One precision against the reference.

    Attributes:
        name: As it was called.
        n_episodes: Episodes compared, over all sets.
        accuracy: Mean accuracy of each method, in percent.
        difference: Of each method, and of the gain of `adapted` and `guarded` over `direct`.
        by_set: Mean difference of `adapted` in each set.
    """

    name: str
    n_episodes: int
    accuracy: dict[str, float]
    difference: dict[str, Difference]
    by_set: dict[str, float]


def read_evaluation(path: Path) -> Evaluation:
    """Read one file.

    Raises:
        click.ClickException: It is no evaluation of episodes.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evaluation)
    except (OSError, msgspec.MsgspecError) as error:
        raise click.ClickException(f"{path} is no result of hyperflow evaluate --json ({error})") from error


def precision_costs(evaluations: dict[str, Evaluation]) -> list[PrecisionCost]:
    """Compare every evaluation with the first.

    Raises:
        click.ClickException: They are not of the same episodes.
    """
    reference_name, reference = next(iter(evaluations.items()))
    for name, other in evaluations.items():
        unequal = [key for key in _SAME if other.config.get(key) != reference.config.get(key)]
        if unequal or set(other.sets) != set(reference.sets):
            raise click.ClickException(
                f"{name} is not of the same episodes as {reference_name} (differs in {', '.join(unequal) or 'the sets'}"
                "); evaluate both with the same data, shape and seed"
            )
    return [_cost(name, other, reference) for name, other in evaluations.items()]


def _pooled(evaluation: Evaluation, method: str, counts: dict[str, int]) -> Points:
    parts = [evaluation.sets[name].per_episode[method][:count] for name, count in counts.items()]
    return 100 * np.concatenate([np.asarray(part) for part in parts])


def _difference(own: Points, reference: Points) -> Difference:
    change = own - reference
    return Difference(float(change.mean()), float(1.96 * change.std(ddof=1) / np.sqrt(len(change))))


def _cost(name: str, own: Evaluation, reference: Evaluation) -> PrecisionCost:
    """Episode i is the same whatever the number of episodes was, so the shorter evaluation decides how many count."""
    counts = {
        key: min(len(own.sets[key].per_episode["direct"]), len(part.per_episode["direct"]))
        for key, part in reference.sets.items()
    }
    mine = {method: _pooled(own, method, counts) for method in _METHODS}
    theirs = {method: _pooled(reference, method, counts) for method in _METHODS}
    difference = {method: _difference(mine[method], theirs[method]) for method in _METHODS}
    for method in ("adapted", "guarded"):
        gain = mine[method] - mine["direct"]
        difference[f"gain {method}"] = _difference(gain, theirs[method] - theirs["direct"])
    ends = np.cumsum(list(counts.values()))
    changes = np.split(mine["adapted"] - theirs["adapted"], ends[:-1])
    by_set = {key: round(float(change.mean()), 3) for key, change in zip(counts, changes, strict=True)}
    accuracy = {method: float(values.mean()) for method, values in mine.items()}
    return PrecisionCost(name, int(ends[-1]), accuracy, difference, by_set)


def _table(costs: Sequence[PrecisionCost]) -> Table:
    title = f"accuracy in percent, paired difference to {costs[0].name} in points (95 % interval)"
    table = Table("precision", "episodes", *_METHODS, "gain adapted", "gain guarded", title=title, title_justify="left")
    for cost in costs:
        cells = []
        for key, found in cost.difference.items():
            mean = f"{cost.accuracy[key]:.2f} " if key in cost.accuracy else ""
            cells.append(mean + ("" if cost is costs[0] else f"{found.mean:+.2f} ± {found.ci95:.2f}"))
        table.add_row(cost.name, str(cost.n_episodes), *cells)
    return table


@click.command()
@click.argument("evaluations", nargs=-1, required=True, metavar="NAME=FILE...")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(evaluations: tuple[str, ...], json_path: Path | None) -> None:
    """Compare evaluations of one model in several precisions with the first of them."""
    named: dict[str, Evaluation] = {}
    for text in evaluations:
        name, separator, path = text.partition("=")
        if not separator or not name:
            raise click.ClickException(f"{text!r} is not NAME=FILE, such as fp16=small-fp16.json")
        named[name] = read_evaluation(Path(path))
    if len(named) < 2:
        raise click.ClickException(f"at least two evaluations are compared, got {len(named)}")
    costs = precision_costs(named)
    Console(width=140).print(_table(costs))
    if json_path is not None:
        first = next(iter(named.values()))
        subjects = {name: Path(evaluation.subject).name for name, evaluation in named.items()}
        config = {key: first.config.get(key) for key in _SAME}
        result = {"precisions": costs, "subjects": subjects, "config": config, "machine": describe_machine()}
        write_result(json_path, msgspec.to_builtins(result))


if __name__ == "__main__":
    main()
