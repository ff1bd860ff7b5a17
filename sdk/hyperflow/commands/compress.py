"""`hyperflow compress`."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["command"]


@click.command("compress")
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rank", type=click.IntRange(min=1), required=True, help="Directions in theta to keep.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write.")
@click.option("--half", is_flag=True, help="Store the weights as fp16.")
@click.option("--force", is_flag=True, help="Replace a checkpoint that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing.")
def command(
    checkpoint: Path, rank: int, out: Path, half: bool, force: bool, as_json: bool, quiet: bool
) -> None:  # fmt: skip
    """Write a copy of CHECKPOINT whose drift moves theta in its strongest directions alone.

    A trained drift uses few directions; the copy is smaller and adapts faster. Measure it with hyperflow evaluate
    before it takes the place of the whole one.

    \b
    Example:
      hyperflow compress runs/drift/checkpoint --rank 32 --half --out runs/small-drift
    """
    if (out / "config.json").exists() and not force:
        raise click.ClickException(f"{out} holds a checkpoint; add --force to replace it, or choose another --out")

    from hyperflow.checkpoint import WEIGHTS_NAME
    from hyperflow.compressing import compress_checkpoint

    share = compress_checkpoint(checkpoint, out, rank, half=half)
    before, after = ((folder / WEIGHTS_NAME).stat().st_size for folder in (checkpoint, out))
    if as_json:
        sizes = {"size_bytes": after, "whole_size_bytes": before}
        click.echo(json.dumps({"checkpoint": str(out), "rank": rank, "kept_share": share, **sizes}))
    elif not quiet:
        click.echo(
            f"Checkpoint: {out} ({after / 1e6:.1f} MB of {before / 1e6:.1f} MB)\n"
            f"Kept: {share:.2%} of the drift's output matrix, in squares, in {rank} directions\n"
            f"Next: hyperflow evaluate {out} --data DIR"
        )
