"""`hyperflow train`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hyperflow.commands.main import run_options

__all__ = ["command"]


@click.command("train")
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@run_options
def command(
    checkpoint: Path, data: Path, out: Path, config: Path | None, n_steps: int | None, seed: int | None, cache: Path,
    resume: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Train the drift network of CHECKPOINT through the query loss of episodes, then calibrate it.

    Step size, guard, temperature and the unknown threshold come from the sets that the configuration holds out as
    meta_validation; `calibration.json` beside the checkpoint has the figures.

    \b
    Example:
      hyperflow train runs/pretrain/checkpoint --data data/train --config configs/default-train.json --out runs/drift
    """
    from hyperflow.commands.run_config import read_run_config
    from hyperflow.training.refinement import TrainConfig, train

    run = read_run_config(TrainConfig, config, n_steps=n_steps, seed=seed)
    trained = train(run, checkpoint, data, out, cache=cache, resume=resume, quiet=quiet)
    if as_json:
        click.echo(json.dumps({"checkpoint": str(trained), "log": str(out / "log.jsonl")}))
    else:
        click.echo(f"Checkpoint: {trained}\nNext: hyperflow evaluate {trained} --data DIR")
