"""`hyperflow train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperflow.commands.main import backbone_option, run_options

if TYPE_CHECKING:
    from hyperflow.datasets.split import Split
    from hyperflow.training.drift_training import TrainConfig

__all__ = ["command"]

_OBJECTIVES = ("linear", "piecewise", "cubic", "refine", "linear+refine", "piecewise+refine", "cubic+refine")


def _with_objective(config: TrainConfig, objective: str | None, n_steps: int | None) -> TrainConfig:
    """Leave out or add stages as the command line asks, and give each the number of steps."""
    import msgspec

    from hyperflow.training.flow_matching import FlowMatching
    from hyperflow.training.refinement import Refinement

    replace = msgspec.structs.replace
    flow, refinement = config.flow_matching, config.refinement
    if objective is not None:
        kinds = objective.split("+")
        refinement = (refinement or Refinement()) if "refine" in kinds else None
        flow = replace(flow or FlowMatching(), objective=kinds[0]) if kinds[0] != "refine" else None
    if n_steps is not None:
        flow = replace(flow, n_steps=n_steps) if flow else None
        refinement = replace(refinement, n_steps=n_steps) if refinement else None
    return replace(config, flow_matching=flow, refinement=refinement)


@click.command("train")
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@run_options
@backbone_option
@click.option("--objective", type=click.Choice(_OBJECTIVES),
              help="Flow matching on trajectories, refinement through episodes, or one after the other; "
              "by default the stages of the configuration.")  # fmt: skip
@click.option("--trajectories", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Store written by hyperflow simulate; flow matching needs it.")  # fmt: skip
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True,
              help="Where to compute.")  # fmt: skip
def command(
    checkpoint: Path, data: Path, split: Split | None, out: Path, config: Path | None, n_steps: int | None,
    seed: int | None, cache: Path, resume: bool, quiet: bool, as_json: bool, objective: str | None,
    trajectories: Path | None, device: str, backbone: Path | None,
) -> None:  # fmt: skip
    """Train the drift network of CHECKPOINT, then calibrate it.

    Two stages, either alone or one after the other: flow matching regresses the drift on stored fine-tuning
    trajectories; refinement trains it through the query loss of episodes. The weights that are kept, step size, guard,
    temperature and the unknown threshold come from the sets that the configuration holds out as meta_validation;
    `calibration.json` and `curves.png` beside the checkpoint have the figures.

    \b
    Example:
      hyperflow train runs/pretrain/checkpoint --data data/train --config configs/small-train.json --out runs/drift
    \b
    On several GPUs, or several processes of one machine:
      torchrun --nproc-per-node 4 -m hyperflow train runs/pretrain/checkpoint --data data/train --out runs/drift
    """
    import msgspec

    from hyperflow.commands.run_config import read_run_config
    from hyperflow.training.drift_training import TrainConfig, TrainPaths, train

    run = _with_objective(read_run_config(TrainConfig, config, seed=seed), objective, n_steps)
    paths = TrainPaths(checkpoint, data, out, cache, trajectories, split, backbone)
    trained = train(run, paths, device=device, resume=resume, quiet=quiet)
    if trained is None:
        return  # the first of several workers reports
    if as_json:
        costs = msgspec.to_builtins(trained.cost)
        click.echo(json.dumps({"checkpoint": str(trained.path), "curves": str(out / "curves.json"), "cost": costs}))
    else:
        click.echo(
            f"Checkpoint: {trained.path}\nCost: {trained.cost}\nNext: hyperflow evaluate {trained.path} --data DIR"
        )
