"""`hyperflow evaluate`."""

from __future__ import annotations

import os
from pathlib import Path

import click

__all__ = ["command"]


@click.command("evaluate")
@click.argument("subject", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True,
              help="Folder of zips or folders laid out as CLASS/IMAGE.")  # fmt: skip
@click.option("--n-way", type=click.IntRange(min=2), default=5, show_default=True, help="Classes an episode.")
@click.option("--n-shot", type=click.IntRange(min=1), default=5, show_default=True, help="Support images a class.")
@click.option("--n-query", type=click.IntRange(min=1), default=10, show_default=True, help="Query images a class.")
@click.option("--episodes", type=click.IntRange(min=1), default=100, show_default=True, help="Episodes a set.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the episodes.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path),
              help="Also write everything, each episode included, to this file.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(
    subject: Path, data: Path, n_way: int, n_shot: int, n_query: int, episodes: int, seed: int,
    json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Measure SUBJECT, a checkpoint or a bundle, on replayable episodes.

    Direct transfer, the adapted model and the guarded one answer the same episodes; gains are paired differences to
    direct transfer, all with 95% intervals.

    \b
    Example:
      hyperflow evaluate models/default --data data/eval --n-way 5 --n-shot 5 --episodes 100 --json results.json
    """
    import msgspec
    from rich.console import Console
    from rich.progress import Progress

    from hyperflow.evaluation.protocol import EvaluationConfig, evaluate
    from hyperflow.evaluation.report import table_of
    from hyperflow.evaluation.subjects import open_subject
    from hyperflow.images.image_set import open_image_sets

    config = EvaluationConfig(n_way, n_shot, n_query, episodes, seed)
    sets, opened = open_image_sets(data), open_subject(subject)
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
    with Progress(console=Console(stderr=True), disable=quiet) as progress:
        bar = progress.add_task("episodes", total=episodes * len(sets))
        result = evaluate(
            opened, str(subject), sets, config, progress=lambda name: progress.update(bar, advance=1, description=name)
        )
    Console().print(table_of(result))
    if json_path is not None:
        partial = json_path.with_name(f".{json_path.name}.partial")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
        os.replace(partial, json_path)
