"""`hyperflow-export bundle`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hyperflow_runtime.bundle.manifest import Precision

__all__ = ["command"]


@click.command("bundle")
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path),
              help="Folder to write; by default NAME.hyperflow here, NAME-fp16.hyperflow and so on.")  # fmt: skip
@click.option("--backbone", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Public file with the backbone's weights, .onnx or .npz, if CHECKPOINT lacks them.")  # fmt: skip
@click.option("--images", type=click.Path(exists=True, path_type=Path),
              help="Folder of real images, CLASS/IMAGE, to compare on beside random ones.")  # fmt: skip
@click.option("--precision", type=click.Choice(["fp32", "fp16", "int8"]), default="fp32", show_default=True,
              help="Of weights and products in the graphs; their inputs and outputs stay fp32.")  # fmt: skip
@click.option("--calibration-images", type=click.Path(exists=True, path_type=Path),
              help="Class folders or zips of images to find the ranges for int8 on.")  # fmt: skip
@click.option("--calibration-count", type=click.IntRange(min=2), default=256, show_default=True,
              help="Most images to calibrate on.")  # fmt: skip
@click.option("--max-batch", type=click.IntRange(1, 4096), default=64, show_default=True, help="Most images in a run.")
@click.option(
    "--max-support", type=click.IntRange(2, 65536), default=512, show_default=True, help="Most support images."
)
@click.option("--max-ways", type=click.IntRange(2, 4096), default=64, show_default=True, help="Most classes.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random comparison.")
@click.option("--force", is_flag=True, help="Replace an existing bundle.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
def command(
    checkpoint: Path, output: Path | None, backbone: Path | None, images: Path | None, precision: Precision,
    calibration_images: Path | None, calibration_count: int, max_batch: int, max_support: int, max_ways: int,
    seed: int, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Export CHECKPOINT to a bundle; a bundle that fails its parity check is not written.

    \b
    Example:
      hyperflow-export bundle models/small -o desk.hyperflow
      hyperflow-export bundle models/mobilenetv2 --backbone mobilenetv2-7.onnx -o mn.hyperflow
      hyperflow-export bundle models/small --precision fp16
      hyperflow-export bundle models/small --precision int8 --calibration-images photos
    """
    import dataclasses

    import msgspec
    from rich.console import Console

    from hyperflow.checkpoint import read_config
    from hyperflow_export.commands.tables import arithmetic_lines, parity_table
    from hyperflow_export.exporting import ExportOptions, Stage, export_bundle
    from hyperflow_runtime.bundle.manifest import Limits

    console = Console()

    def announce(stage: Stage) -> None:
        size = f"{stage.size_bytes / 1e6:8.2f} MB" if stage.size_bytes else ""
        if not as_json:
            console.print(f"{stage.name:<22}{stage.seconds:7.2f} s {size}", highlight=False)

    suffix = "" if precision == "fp32" else f"-{precision}"
    output = output or Path(f"{read_config(checkpoint).name}{suffix}.hyperflow")
    limits = Limits(max_batch, max_support, max_ways)
    options = ExportOptions(
        checkpoint, output, images=images, limits=limits, seed=seed, force=force, backbone=backbone,
        precision=precision, calibration_images=calibration_images, calibration_count=calibration_count,
    )  # fmt: skip
    report = export_bundle(options, announce=announce)
    if as_json:
        plain = {field.name: getattr(report, field.name) for field in dataclasses.fields(report)}
        click.echo(msgspec.json.encode({**plain, "output": str(report.output)}).decode())
        return
    console.print(parity_table(report.checks, against="torch", precision=report.precision))
    for line in (line for graph in report.arithmetic for line in arithmetic_lines(graph)):
        console.print(line, highlight=False)
    size_mb = sum(file.stat().st_size for file in output.iterdir()) / 1e6
    console.print(f"Bundle: {output} ({size_mb:.1f} MB)\nNext: hyperflow-export inspect {output}", highlight=False)
