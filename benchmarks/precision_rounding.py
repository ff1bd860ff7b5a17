"""Write a copy of an fp16 or int8 bundle that rounds every fp16 value for real on a processor without fp16 kernels.

There, onnxruntime computes fp16 graphs in float32 and leaves out most of the rounding, so accuracy measured on the
bundle itself would flatter. The copy is float32 with explicit rounding: evaluate it beside the bundle. Example:

    python benchmarks/precision_rounding.py small-fp16.hyperflow -o small-fp16-rounded.hyperflow
    hyperflow evaluate small-fp16-rounded.hyperflow --data data/eval --json small-fp16-rounded.json
"""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from hyperflow_export.bundle_writing import file_entries, staged_output, write_files
from hyperflow_export.precision.rounding import with_rounding
from hyperflow_runtime.bundle.reader import read_bundle

__all__ = ["main"]


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--force", is_flag=True, help="Replace an existing bundle.")
def main(bundle: Path, output: Path, force: bool) -> None:
    """Copy BUNDLE with explicit rounding in both graphs."""
    opened = read_bundle(bundle)
    if opened.manifest.precision == "fp32":
        raise click.ClickException(f"{bundle} is fp32: nothing in it is rounded; name an fp16 or int8 bundle")
    files = {name: (bundle / name).read_bytes() for name in opened.manifest.files}
    files["backbone.onnx"] = with_rounding(opened.backbone_onnx)
    files["adapt.onnx"] = with_rounding(opened.adapt_onnx)
    manifest = msgspec.structs.replace(
        opened.manifest, name=f"{opened.manifest.name}-rounded", files=file_entries(files), parity=()
    )
    with staged_output(output, force=force) as staging:
        write_files(staging, files, manifest)
    click.echo(f"{output}: {opened.manifest.precision} with explicit rounding; evaluate it as any bundle")


if __name__ == "__main__":
    main()
