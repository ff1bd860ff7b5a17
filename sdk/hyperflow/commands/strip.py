"""`hyperflow strip`."""

from __future__ import annotations

import json
from pathlib import Path

import click

__all__ = ["command"]


@click.command("strip")
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--backbone", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True,
              help="Public file that the backbone was started from, .npz or .onnx.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write.")
@click.option("--half", is_flag=True, help="Store the drift network as fp16.")
@click.option("--where", help="Where others get the file.  [default: known for mobilenetv2-7 of the ONNX Model Zoo]")
@click.option("--licence", help="Licence of the backbone's weights, as SPDX.  [default: as for --where]")
@click.option("--force", is_flag=True, help="Replace a checkpoint that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing.")
def command(
    checkpoint: Path, backbone: Path, out: Path, half: bool, where: str | None, licence: str | None, force: bool,
    as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Write a copy of CHECKPOINT without the backbone's weights, which are public and which its users bring.

    The weights of --backbone are compared with those of CHECKPOINT first, and their hash is kept. Whoever opens the
    copy names the file with --backbone, as .npz or .onnx.

    \b
    Example:
      hyperflow strip runs/drift/checkpoint --backbone mobilenetv2.npz --half --out runs/mobilenetv2-drift
    """
    if (out / "config.json").exists() and not force:
        raise click.ClickException(f"{out} holds a checkpoint; add --force to replace it, or choose another --out")

    import msgspec

    from hyperflow.checkpoint import WEIGHTS_NAME
    from hyperflow.stripping import strip_checkpoint

    source = strip_checkpoint(checkpoint, backbone, out, half=half, where=where, licence=licence)
    before, after = ((folder / WEIGHTS_NAME).stat().st_size for folder in (checkpoint, out))
    if as_json:
        sizes = {"size_bytes": after, "whole_size_bytes": before}
        click.echo(json.dumps({"checkpoint": str(out), **sizes, "backbone_source": msgspec.to_builtins(source)}))
    elif not quiet:
        click.echo(
            f"Checkpoint: {out} ({after / 1e6:.1f} MB of {before / 1e6:.1f} MB)\n"
            f"Its users bring: {source.advice}\n"
            f"Next: hyperflow-export bundle {out} --backbone {backbone}"
        )
