"""`hyperflow-export bundle`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("bundle")
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder to write; by default NAME.hyperflow here."
)
@click.option("--backbone", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Public file with the backbone's weights, .onnx or .npz, if CHECKPOINT lacks them.")  # fmt: skip
@click.option("--images", type=click.Path(exists=True, path_type=Path),
              help="Folder of real images, CLASS/IMAGE, to compare on beside random ones.")  # fmt: skip
@click.option("--max-batch", type=click.IntRange(1, 4096), default=64, show_default=True, help="Most images in a run.")
@click.option(
    "--max-support", type=click.IntRange(2, 65536), default=512, show_default=True, help="Most support images."
)
@click.option("--max-ways", type=click.IntRange(2, 4096), default=64, show_default=True, help="Most classes.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random comparison.")
@click.option("--force", is_flag=True, help="Replace an existing bundle.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
def command(
    checkpoint: Path, output: Path | None, backbone: Path | None, images: Path | None, max_batch: int,
    max_support: int, max_ways: int, seed: int, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Export CHECKPOINT to a bundle; a bundle that fails its parity check is not written.

    \b
    Example:
      hyperflow-export bundle models/small -o desk.hyperflow
      hyperflow-export bundle models/mobilenetv2 --backbone mobilenetv2-7.onnx -o mn.hyperflow
    """
    import dataclasses

    import msgspec
    from rich.console import Console

    from hyperflow.checkpoint import read_config
    from hyperflow_export.commands.tables import parity_table
    from hyperflow_export.exporting import ExportOptions, Stage, export_bundle
    from hyperflow_runtime.bundle.manifest import Limits

    console = Console()

    def announce(stage: Stage) -> None:
        size = f"{stage.size_bytes / 1e6:8.2f} MB" if stage.size_bytes else ""
        if not as_json:
            console.print(f"{stage.name:<22}{stage.seconds:7.2f} s {size}", highlight=False)

    output = output or Path(f"{read_config(checkpoint).name}.hyperflow")
    limits = Limits(max_batch, max_support, max_ways)
    options = ExportOptions(checkpoint, output, images=images, limits=limits, seed=seed, force=force, backbone=backbone)
    report = export_bundle(options, announce=announce)
    if as_json:
        plain = {**dataclasses.asdict(report), "output": str(report.output), "checks": list(report.checks)}
        click.echo(msgspec.json.encode(plain).decode())
        return
    console.print(parity_table(report.checks, against="torch"))
    size_mb = sum(file.stat().st_size for file in output.iterdir()) / 1e6
    console.print(f"Bundle: {output} ({size_mb:.1f} MB)\nNext: hyperflow-export inspect {output}", highlight=False)
