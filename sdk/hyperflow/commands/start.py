"""`hyperflow start`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

__all__ = ["command"]

_RULES = ("affine", "shift", "bias", "layer_norm", "qkv_bias", "low_rank")  # SubsetRule, whose module imports torch


@click.command("start")
@click.option("--backbone", required=True, metavar="KIND:SOURCE",
              help="hf:FOLDER, hf:NAME (on the hub), timm:NAME, mobilenet_v2:FILE.npz or conv[:WIDTHS].")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write.")
@click.option("--size-px", type=click.IntRange(16, 1024), help="Side of the input images.  [default: as published]")
@click.option(
    "--pooling", type=click.Choice(["cls", "mean", "pooler"]), help="For hf: from the outputs to one feature."
)
@click.option("--subset", type=click.Choice(_RULES), default="affine", show_default=True, help="What adapts.")
@click.option("--first-depth", type=click.FloatRange(0, 1, max_open=True), default=0.0, show_default=True,
              help="Least depth that adapts; 0.66 is the last third.")  # fmt: skip
@click.option("--last-depth", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True,
              help="Depth before which adaptation ends.")  # fmt: skip
@click.option("--within", multiple=True, metavar="MODULE", help="Adapt in this module alone; may be given again.")
@click.option("--rank", type=click.IntRange(1, 64), default=4, show_default=True, help="For low_rank: its rank.")
@click.option("--drift", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="JSON file with the shape of the drift network; anything left out keeps its default.")  # fmt: skip
@click.option("--n-steps", type=click.IntRange(1, 64), default=4, show_default=True, help="Euler steps.")
@click.option("--name", help="Name of the model.  [default: name of --out]")
@click.option("--licence", default="unknown", show_default=True, help="Licence of the weights, as SPDX.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the drift's weights.")
@click.option("--force", is_flag=True, help="Replace a checkpoint that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing.")
def command(out: Path, as_json: bool, quiet: bool, force: bool, **options: Any) -> None:
    """Make a checkpoint from a trained backbone and an untrained drift, which adapts nothing yet.

    The checkpoint holds all that rebuilds the network: the hub is not asked again.

    \b
    Example:
      hyperflow start --backbone conv --size-px 64 --subset affine --out runs/start
      hyperflow start --backbone hf:facebook/dinov2-small --size-px 112 --subset qkv_bias --out runs/dinov2
    """
    if (out / "config.json").exists() and not force:
        raise click.ClickException(f"{out} holds a checkpoint; add --force to replace it, or choose another --out")
    report = _start(out, **options)
    if as_json:
        click.echo(json.dumps(report))
    elif not quiet:
        click.echo(
            f"Checkpoint: {out} ({report['features']} features at {report['size_px']} px)\n"
            f"Adapted: {report['adapted_parameters']:,} of {report['all_parameters']:,} parameters "
            f"({report['adapted_share']:.3%}) in {report['adapted_tensors']} tensors\n"
            f"Next: hyperflow train {out} --data DIR --out runs/drift"
        )


def _start(
    out: Path, *, backbone: str, size_px: int | None, pooling: Any, subset: Any, first_depth: float, last_depth: float,
    within: tuple[str, ...], rank: int, drift: Path | None, n_steps: int, name: str | None, licence: str, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Build the model, save it, and count what adapts."""
    import torch

    from hyperflow.adapted.subset import Subset
    from hyperflow.backbones.opening import open_backbone
    from hyperflow.checkpoint import save_checkpoint
    from hyperflow.commands.run_config import read_run_config
    from hyperflow.drift.config import DriftConfig
    from hyperflow.model import HyperFlow, ModelConfig

    torch.manual_seed(seed)
    opened = open_backbone(backbone, size_px, pooling=pooling)
    limited = Subset(subset, first_depth, last_depth, within, rank)
    config = ModelConfig(
        name=name or out.resolve().name,
        backbone=opened.config,
        preprocessing=opened.preprocessing,
        subset=subset if limited == Subset(subset) else limited,
        drift=read_run_config(DriftConfig, drift),
        n_steps=n_steps,
        licence=licence,
    )
    model = HyperFlow(config, opened.network).eval()
    save_checkpoint(model, out)
    layout = model.backbone.layout
    n_all = sum(parameter.numel() for parameter in opened.network.parameters())
    return {
        "checkpoint": str(out),
        "features": model.backbone.feature_dim,
        "size_px": config.preprocessing.size_px,
        "adapted_parameters": layout.n_parameters,
        "all_parameters": n_all,
        "adapted_share": layout.n_parameters / n_all,
        "adapted_tensors": len(layout.slots),
    }
