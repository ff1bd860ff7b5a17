"""Which architecture? Each candidate is trained alike, then measured on the meta-validation sets against its time.

Every candidate has the same recipe and number of steps and answers the same episodes. Candidates are chosen here, so
that no set of an evaluation takes part. What is finished is kept: run the command again after an interruption.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from study import Study, StudyCommand, study_options

from hyperflow.commands.main import default_cache

if TYPE_CHECKING:
    from architecture_costs import BackboneCost
    from architecture_runs import Candidate, TrainedCandidate

    from hyperflow.evaluation.results import Evaluation
    from hyperflow.evaluation.statistics import Estimate

__all__ = ["main", "undominated"]

_CONFIGS = Path(__file__).parent / "configs"
_JSON_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Measured(msgspec.Struct, frozen=True):
    """One candidate.

    Attributes:
        architecture: What it is.
        accuracy: Of each method, mean over the meta-validation sets, in points.
        gain: Paired gain of each other method over direct transfer.
        sets: Accuracy of each method on each set.
        cost: On onnxruntime.
        train_cpu_hours: Processor time of its training.
        is_undominated: No other candidate has at least the accuracy (of the last method) in at most the time of an
            image.
    """

    architecture: Candidate
    accuracy: dict[str, Estimate]
    gain: dict[str, Estimate]
    sets: dict[str, dict[str, Estimate]]
    cost: BackboneCost
    train_cpu_hours: float
    is_undominated: bool


def undominated(points: Mapping[str, tuple[float, float]]) -> set[str]:
    """Names of the points that no other beats: none is at least as good in both, and better in one.

    Args:
        points: Time, less is better, and accuracy, more is better, by name.
    """
    return {
        name
        for name, (ms, accuracy) in points.items()
        if not any(
            other_ms <= ms and other >= accuracy and (other_ms, other) != (ms, accuracy)
            for other_ms, other in points.values()
        )
    }


def _collect(
    candidates: tuple[Candidate, ...], trained: Mapping[str, TrainedCandidate],
    evaluations: Mapping[str, Evaluation], costs: Mapping[str, BackboneCost], last_method: str,
) -> dict[str, _Measured]:  # fmt: skip
    points = {name: (costs[name].image_ms, one.mean.accuracy[last_method].mean) for name, one in evaluations.items()}
    best = undominated(points)
    return {
        one.name: _Measured(
            architecture=one,
            accuracy=evaluations[one.name].mean.accuracy,
            gain=evaluations[one.name].mean.gain,
            sets={name: of_set.accuracy for name, of_set in evaluations[one.name].sets.items()},
            cost=costs[one.name],
            train_cpu_hours=trained[one.name].cpu_hours,
            is_undominated=one.name in best,
        )
        for one in candidates
    }


def _table(found: Mapping[str, _Measured], title: str) -> Table:
    methods = list(next(iter(found.values())).accuracy)
    headings = [*methods, *(f"gain {method}" for method in methods if method != "direct")]
    table = Table("candidate", "widths", title=title, title_justify="left")
    for heading in ("px", *headings, "ms", "ms of 25", "M param.", "MMAC", "MB"):
        table.add_column(heading, justify="right")
    for name, one in found.items():
        widths, cost = "-".join(map(str, one.architecture.widths)), one.cost
        wide = f"+{one.architecture.feature_width}" if one.architecture.feature_width else ""
        gains = [f"{gain.mean:+.1f} ± {gain.ci95:.1f}" for gain in one.gain.values()]
        table.add_row(
            f"{name}{' *' if one.is_undominated else ''}", f"{widths}{wide}", str(one.architecture.size_px),
            *(str(one.accuracy[method]) for method in methods), *gains, f"{cost.image_ms:.2f}", f"{cost.batch_ms:.1f}",
            f"{cost.n_parameters / 1e6:.2f}", f"{cost.mmacs:.0f}", f"{cost.checkpoint_mb:.1f}",
        )  # fmt: skip
    return table


def _draw(found: Mapping[str, _Measured], title: str, out: Path) -> None:
    from matplotlib.ticker import LogFormatter
    from pictures import panels, save

    figure, axes = panels(1, 2, height_in=4.2 + 0.16 * len(found), title=title)
    methods = list(next(iter(found.values())).accuracy)
    times = {"one image": "image_ms", "25 images, theta as an input": "batch_ms"}
    for panel, (what, field) in zip(axes, times.items(), strict=True):
        for number, (name, one) in enumerate(found.items()):
            for method, marker in zip(methods, "os", strict=False):
                estimate = one.accuracy[method]
                label = name if method == methods[0] else None
                panel.errorbar(
                    getattr(one.cost, field), estimate.mean, estimate.ci95, fmt=marker, ms=5, capsize=2,
                    color=f"C{number % 10}", label=label,
                )  # fmt: skip
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(LogFormatter())
        panel.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2.0, 0.4)))
        panel.tick_params(which="both", labelsize=8)
        panel.set_xlabel(f"{what}, ms in onnxruntime")
        panel.set_ylabel(f"accuracy, % (circles: direct{', squares: adapted' if len(methods) > 1 else ''})")
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=7, loc="outside lower center", ncols=2)
    save(figure, out)


@click.command(cls=StudyCommand)
@click.option("--candidates", "candidates_file", type=_JSON_FILE, default=_CONFIGS / "architectures.json",
              help="JSON list of name, widths, feature_width and size_px.  [default: configs/architectures.json "
              "beside this script]")  # fmt: skip
@click.option("--pretrain-config", type=_JSON_FILE, required=True,
              help="JSON file of hyperflow pretrain, for all but the architecture.")  # fmt: skip
@click.option("--train-config", type=_JSON_FILE, help="JSON file of hyperflow train, for all but stages and steps.")
@study_options("--data", episodes=100)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for all runs.")
@click.option("--n-steps", type=click.IntRange(min=1), help="Of every pretraining.  [default: the configuration's]")
@click.option("--refine-steps", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of every refinement of the drift; 0 measures direct transfer alone.")  # fmt: skip
@click.option("--train-seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of every training.")
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True, help="Of onnxruntime.")
@click.option("--repetitions", type=click.IntRange(min=1), default=50, show_default=True, help="Timed rounds.")
@click.option("--cache", type=click.Path(path_type=Path), default=default_cache, help="Folder for packed images.")
def main(
    candidates_file: Path, pretrain_config: Path, train_config: Path | None, out: Path, n_steps: int | None,
    refine_steps: int, train_seed: int, threads: int, repetitions: int, cache: Path, **options: Any,
) -> None:  # fmt: skip
    """Train every candidate alike, and measure accuracy on the meta-validation sets against time.

    \b
    Example:
      python benchmarks/studies/architectures.py --pretrain-config configs/small-pretrain.json --data data/train \\
        --n-steps 500 --out runs/architectures --json architectures.json --picture architectures.png
    """
    from architecture_costs import measure_backbones
    from architecture_runs import Places, evaluated, meta_validation_sets, read_candidates, read_recipe, train_candidate

    study = Study(**options)
    candidates = read_candidates(candidates_file)
    recipe = read_recipe(
        pretrain_config, train_config, n_steps=n_steps, refine_steps=refine_steps, seed=train_seed
    )  # fmt: skip
    sets, places = meta_validation_sets(study, recipe), Places(study.data, out, cache)
    methods = ("direct", "adapted") if recipe.drift else ("direct",)
    trained, evaluations = {}, {}
    for one in candidates:
        if not study.quiet:
            click.echo(f"candidate {one.name}", err=True)
        trained[one.name] = train_candidate(one, recipe, places, quiet=study.quiet)
        evaluations[one.name] = evaluated(one, trained[one.name].checkpoint, study, sets, methods)
    checkpoints = {name: run.checkpoint for name, run in trained.items()}
    costs = measure_backbones(checkpoints, n_threads=threads, repetitions=repetitions)
    found = _collect(candidates, trained, evaluations, costs, methods[-1])
    title = f"Architectures, {study.n_way}-way {study.n_shot}-shot, mean over {len(sets)} sets, 95% bars"
    Console(width=160).print(_table(found, f"{title}; * no other is better and faster"))
    if study.picture is not None:
        _draw(found, title, study.picture)
    budget = {"n_steps": recipe.pretraining.n_steps, "refine_steps": refine_steps, "train_seed": train_seed}
    timing = {"threads": threads, "repetitions": repetitions}
    study.write({"candidates": found, "measured_on": [one.name for one in sets], **budget, **timing})


if __name__ == "__main__":
    main()
