"""`hyperflow evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from hyperflow.commands.main import backbone_option

if TYPE_CHECKING:
    from hyperflow.datasets.split import Split
    from hyperflow.evaluation.config import EvaluationConfig, ProtocolName
    from hyperflow.evaluation.shapes import Shape

__all__ = ["command"]

_PROTOCOLS = ("fixed", "meta-dataset", "cdfsl", "orbit")
_TAKES = {"fixed": ("n_way", "n_shot", "n_query"), "cdfsl": ("n_shot",)}
_COUNT = click.IntRange(min=1)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("evaluate")
@click.argument("subject", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="Folder of zips or folders laid out as CLASS/IMAGE, or another layout of `hyperflow datasets`.",
)
@click.option("--split", type=click.Choice(["TRAIN", "VALID", "TEST"]), help="Part of the classes of each set.")
@click.option(
    "--protocol",
    type=click.Choice(_PROTOCOLS),
    default="fixed",
    show_default=True,
    help="Rule that draws the episodes.",
)
@click.option("--n-way", type=click.IntRange(min=2), default=5, show_default=True, help="Classes an episode.")
@click.option("--n-shot", type=_COUNT, default=5, show_default=True, help="Support images a class.")
@click.option("--n-query", type=_COUNT, default=10, show_default=True, help="Query images a class.")
@click.option("--episodes", type=_COUNT, show_default="100, or what the protocol asks for", help="Episodes a set.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the episodes.")
@click.option(
    "--methods",
    default="direct,adapted,guarded",
    show_default=True,
    help="Separated by commas, or `all`: also subset_tuning, full_tuning, linear_probe (checkpoints only).",
)
@click.option(
    "--recipes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file with the recipes of the methods with gradients; what is left out keeps its default.",
)
@click.option(
    "--tuning-episodes", type=_COUNT, help="The methods with gradients answer only this many episodes of each set."
)
@click.option("--curves", is_flag=True, help="Also answer after each Euler step and at several step sizes.")
@click.option(
    "--unknown", is_flag=True, help="Also ask about images of other classes, which the answer should be `unknown` for."
)
@click.option(
    "--shapes",
    metavar="WAYSxSHOTS,...",
    help="Evaluate at several sizes, instead of --n-way and --n-shot: 5x1,5x5,10x5.",
)
@click.option("--costs/--no-costs", default=True, show_default=True, help="Measure peak memory and MACs, once.")
@click.option("--json", "json_path", type=_FILE, help="Also write everything, each episode included, to this file.")
@click.option("--csv", "csv_path", type=_FILE, help="Also write one row for each answer.")
@click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also draw plots into this folder, with the numbers behind them.",
)
@backbone_option
@click.option("--resume", is_flag=True, help="Go on with an evaluation to the same --json that was interrupted.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(
    subject: Path, data: Path, split: Split | None, json_path: Path | None, csv_path: Path | None,
    plots: Path | None, backbone: Path | None, shapes: str | None, resume: bool, quiet: bool, **options: Any,
) -> None:  # fmt: skip
    """Measure SUBJECT, a checkpoint or a bundle, on replayable episodes.

    Direct transfer, the adapted model and the guarded one answer the same episodes, and so do fine-tuning and a linear
    probe when they are asked to; gains are paired differences to direct transfer, all with 95% intervals.

    Every answer is also judged by how far its probabilities can be believed (calibration); with --unknown also by how
    well classes that it was never shown are told from those it was. Neither changes the episodes.

    With --shapes, each size of episodes gets files of its own, such as results-5x1.json beside results.json, which
    holds the means; a set that is too small for a size is left out there, and named.

    With --json, every finished episode is kept in a file beside it until all are done: --resume goes on from there.

    Defaults of --recipes: {"subset_tuning": {"parameters": "subset", "n_steps": 25, "learning_rate": 0.003},
    "full_tuning": {"parameters": "all", "n_steps": 40, "learning_rate": 0.0005},
    "linear_probe": {"inverse_penalty": 1.0, "n_iterations": 100}}. Choose rates on other sets than those of --data.

    \b
    Example:
      hyperflow evaluate models/small --data data/eval --n-way 5 --n-shot 5 --episodes 100 --json results.json
      hyperflow evaluate models/small --data data/eval --shapes 5x1,5x5,10x5 --unknown --json results.json
      hyperflow evaluate models/small --data data/eval --methods all --tuning-episodes 20 --plots plots
    """
    from rich.console import Console

    from hyperflow.datasets.opening import open_datasets
    from hyperflow.evaluation.evaluation_files import EvaluationFiles
    from hyperflow.evaluation.running import Run, evaluate_run, evaluate_shapes
    from hyperflow.evaluation.subjects import open_subject, subject_digest

    sizes = None if shapes is None else _shapes(shapes, options["protocol"])
    config = _config(**options)
    files = EvaluationFiles(json_path, csv_path, plots, resume=resume)
    opened, sets = open_subject(subject, config.recipes, backbone=backbone), open_datasets(data, split)
    run = Run(opened, str(subject), subject_digest(subject), sets, config, files)
    tables = evaluate_run(run, quiet=quiet) if sizes is None else evaluate_shapes(run, sizes, quiet=quiet)
    for table in tables:
        Console().print(table)


def _shapes(text: str, protocol: ProtocolName) -> tuple[Shape, ...]:
    """Read --shapes; it goes with the fixed protocol, and takes the place of two options."""
    from hyperflow.evaluation.shapes import shapes_of

    if protocol != "fixed":
        raise click.UsageError(f"--shapes is of no use with --protocol {protocol}, which decides sizes by itself")
    for flag in ("n_way", "n_shot"):
        if click.get_current_context().get_parameter_source(flag) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{flag.replace('_', '-')} is of no use with --shapes, which says it by itself")
    return shapes_of(text)


def _config(
    *, protocol: ProtocolName, n_way: int, n_shot: int, n_query: int, episodes: int | None,
    seed: int, methods: str, recipes: Path | None, tuning_episodes: int | None, curves: bool, costs: bool,
    unknown: bool,
) -> EvaluationConfig:  # fmt: skip
    """Make a configuration of the options; those that the protocol decides by itself must not be given."""
    from hyperflow.commands.run_config import read_run_config
    from hyperflow.evaluation.config import EvaluationConfig, default_episodes
    from hyperflow.evaluation.methods import ALL_METHODS
    from hyperflow.evaluation.recipes import Recipes

    sizes: dict[str, int | None] = {"n_way": n_way, "n_shot": n_shot, "n_query": n_query}
    for name in sizes:
        if name not in _TAKES.get(protocol, ()):
            if click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE:
                flag = name.replace("_", "-")
                raise click.UsageError(f"--{flag} is of no use with --protocol {protocol}, which decides it by itself")
            sizes[name] = None
    named = ALL_METHODS if methods == "all" else tuple(name.strip() for name in methods.split(","))
    return EvaluationConfig(
        **sizes,
        episodes=episodes or default_episodes(protocol),
        seed=seed,
        protocol=protocol,
        methods=named,
        tuning_episodes=tuning_episodes,
        recipes=read_run_config(Recipes, recipes),
        curves=curves,
        costs=costs,
        unknown=unknown,
    )
