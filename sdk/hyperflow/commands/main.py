"""`hyperflow`: train and evaluate on a workstation. Imports of torch wait until a command runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from hyperflow.commands.lazy_group import LazyGroup
from hyperflow.errors import HyperflowError

__all__ = ["main"]

_COMMANDS = {
    "start": "Make a checkpoint from a trained backbone and an untrained drift.",
    "pretrain": "Train a backbone on many image sets, one head a set.",
    "simulate": "Fine-tune by gradients on many tasks and keep the trajectories.",
    "train": "Train the drift network of a pretrained checkpoint.",
    "compress": "Keep only the directions that a trained drift uses.",
    "strip": "Leave the public weights of the backbone out of a checkpoint.",
    "datasets": "Look at datasets before they are used.",
    "evaluate": "Measure a checkpoint or a bundle on episodes.",
}


def _installed_version() -> str:
    try:
        return version("hyperflow")
    except PackageNotFoundError:
        return "(not installed)"


@click.group(
    cls=LazyGroup,
    package="hyperflow.commands",
    helps=_COMMANDS,
    errors=(HyperflowError,),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(_installed_version(), prog_name="hyperflow")
def main() -> None:
    """Few-shot adaptation without gradients: train and evaluate.

    \b
    Example:
      hyperflow datasets check data/train
      hyperflow pretrain --data data/train --config configs/small-pretrain.json --out runs/pretrain
      hyperflow start --backbone mobilenet_v2:mobilenetv2.npz --size-px 96 --out runs/start
      hyperflow simulate runs/start --data data/train --out runs/trajectories
      hyperflow train runs/start --data data/train --trajectories runs/trajectories --objective cubic+refine \\
        --out runs/drift
      hyperflow evaluate runs/drift/checkpoint --data data/eval --json results.json
      hyperflow compress runs/drift/checkpoint --rank 32 --out runs/compressed
      hyperflow strip runs/compressed --backbone mobilenetv2.npz --half --out runs/mobilenetv2-drift

    A backbone is pretrained from scratch, or taken from elsewhere with start. What was interrupted goes on with
    --resume.

    Tab completion: eval "$(_HYPERFLOW_COMPLETE=bash_source hyperflow)"
    """


def default_cache() -> Path:
    """Folder for packed images."""
    return Path.home() / ".cache" / "hyperflow"


def backbone_option(function: Callable[..., None]) -> Callable[..., None]:
    """Option of every command that opens a checkpoint, for those that hold the drift network alone."""
    return click.option(
        "--backbone",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Public file with the backbone's weights, .npz or .onnx, if the checkpoint lacks them.",
    )(function)


def run_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options that every training command takes."""
    existing, anywhere = click.Path(exists=True, path_type=Path), click.Path(path_type=Path)
    options = (
        click.option("--data", type=existing, required=True, help="Image sets; see hyperflow datasets check."),
        click.option(
            "--split",
            type=click.Choice(("TRAIN", "VALID", "TEST")),
            help="Classes to take, of datasets that are divided; by default all.",
        ),
        click.option("--out", type=anywhere, required=True, help="Folder of the run: log, state, checkpoint."),
        click.option("--config", type=existing, help="JSON file; anything left out keeps its default."),
        click.option("--n-steps", type=click.IntRange(min=1), help="Optimiser steps, instead of the configured."),
        click.option("--seed", type=click.IntRange(min=0), help="Seed of everything random, not the configured."),
        click.option("--cache", type=anywhere, default=default_cache, help="Folder for packed images."),
        click.option("--resume", is_flag=True, help="Go on from the last saved state in --out."),
        click.option("--quiet", is_flag=True, help="No progress bars."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    )
    for option in reversed(options):
        function = option(function)
    return function
