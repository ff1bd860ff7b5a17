"""`hyperflow pretrain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperflow.commands.main import run_options

if TYPE_CHECKING:
    from hyperflow.datasets.split import Split

__all__ = ["command"]


@click.command("pretrain")
@run_options
@click.option("--start", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Folder of an earlier pretraining to begin with, such as one on smaller images.")  # fmt: skip
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True,
              help="Where to compute.")  # fmt: skip
def command(
    data: Path, split: Split | None, out: Path, config: Path | None, n_steps: int | None, seed: int | None, cache: Path,
    resume: bool, quiet: bool, as_json: bool, start: Path | None,
    device: str,
) -> None:  # fmt: skip
    """Train a backbone on many image sets at once: by their labels, one head a set, by a trained backbone, or both.

    \b
    Example:
      hyperflow pretrain --data data/train --config configs/small-pretrain.json --out runs/pretrain
    """
    import msgspec

    from hyperflow.commands.run_config import read_run_config
    from hyperflow.training.pretraining import PretrainConfig, pretrain

    run = read_run_config(PretrainConfig, config, n_steps=n_steps, seed=seed)
    checkpoint = pretrain(
        run, data, out, cache=cache, split=split, start=start, device=device, resume=resume, quiet=quiet
    )
    if as_json:
        cost = msgspec.to_builtins(checkpoint.cost)
        click.echo(json.dumps({"checkpoint": str(checkpoint.path), "log": str(out / "log.jsonl"), "cost": cost}))
    else:
        click.echo(
            f"Checkpoint: {checkpoint.path}\nCost: {checkpoint.cost}\n"
            f"Next: hyperflow train {checkpoint.path} --data {data} --out runs/drift"
        )
