"""`hyperflow simulate`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hyperflow.commands.main import backbone_option, default_cache

__all__ = ["command"]


@click.command("simulate")
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True,
              help="Folder of zips or folders laid out as CLASS/IMAGE.")  # fmt: skip
@backbone_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the trajectories.")
@click.option("--config", type=click.Path(exists=True, path_type=Path),
              help="JSON file; anything left out keeps its default.")  # fmt: skip
@click.option("--workers", default="local:1", show_default=True,
              help="local:N processes of this machine, or a Ray cluster at ray://HOST:PORT.")  # fmt: skip
@click.option("--cache", type=click.Path(path_type=Path), default=default_cache, help="Folder for packed images.")
@click.option("--resume", is_flag=True, help="Go on with what is in --out.")
@click.option("--dry-run", is_flag=True, help="Print the predicted time and size, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def command(
    checkpoint: Path, data: Path, out: Path, config: Path | None, workers: str, cache: Path, resume: bool,
    dry_run: bool, as_json: bool, quiet: bool, backbone: Path | None,
) -> None:  # fmt: skip
    """Fine-tune the backbone of CHECKPOINT on many tasks by gradients, and keep the trajectories for training.

    Tasks come from the classes that the configuration's split leaves for refinement. Time and size are predicted
    before the start. More than one worker needs Ray: pip install 'hyperflow[simulate]'.

    \b
    Example:
      hyperflow simulate runs/pretrain/checkpoint --data data/train --out runs/trajectories --workers local:8 --dry-run
      hyperflow simulate runs/pretrain/checkpoint --data data/train --out runs/trajectories --workers local:8
    """
    import msgspec

    from hyperflow.commands.run_config import read_run_config
    from hyperflow.trajectories.config import SimulationConfig
    from hyperflow.trajectories.plan import make_plan, predict
    from hyperflow.trajectories.simulation import simulate
    from hyperflow.trajectories.workers import parse_workers

    run, pool = read_run_config(SimulationConfig, config), parse_workers(workers)
    plan = make_plan(run, checkpoint, data, cache=cache, quiet=quiet, backbone=backbone)
    prediction = predict(plan, n_workers=pool.n_workers)
    if not quiet or (dry_run and not as_json):
        click.echo(
            f"Predicted: {prediction.trajectories} trajectories ({len(plan.tasks)} tasks, {run.n_seeds} each), "
            f"{prediction.storage_bytes / 1e6:.1f} MB, {prediction.cpu_hours:.3g} CPU-hours, "
            f"{prediction.hours:.3g} hours on {prediction.n_workers} workers",
            err=not dry_run or as_json,
        )
    if dry_run:
        if as_json:
            click.echo(json.dumps(msgspec.to_builtins(prediction)))
        return
    manifest = simulate(plan, prediction, out, workers=pool, resume=resume, quiet=quiet)
    cost = manifest.cost
    if as_json:
        outcome = {"trajectories": str(out), "n_trajectories": manifest.n_trajectories, **msgspec.to_builtins(cost)}
        click.echo(json.dumps(outcome))
    else:
        click.echo(
            f"Trajectories: {out} ({manifest.n_trajectories}, {cost.storage_bytes / 1e6:.1f} MB, "
            f"{cost.cpu_hours:.3g} CPU-hours, no GPU)"
        )
