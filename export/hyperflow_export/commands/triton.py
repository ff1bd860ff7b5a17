"""`hyperflow-export triton`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hyperflow_export.triton.repository import RepositoryReport
    from hyperflow_export.triton.serving import Accelerator, Kind

__all__ = ["command"]

_IMAGE = "nvcr.io/nvidia/tritonserver:24.10-py3"


@click.command("triton")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default="model_repository", show_default=True,
              help="Repository, new or with other models in it.")  # fmt: skip
@click.option("--name", help="First part of the models' names, by default the bundle's name.")
@click.option("--version", type=click.IntRange(min=1), default=1, show_default=True,
              help="Version to write; other versions go on being served.")  # fmt: skip
@click.option("--kind", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True,
              help="Device of the models; auto leaves it to the server.")  # fmt: skip
@click.option("--instances", type=click.IntRange(min=1), default=1, show_default=True,
              help="Copies of each model on each device.")  # fmt: skip
@click.option("--accelerator", type=click.Choice(["tensorrt"]), help="Compile the backbone on the server's GPU.")
@click.option("--engine-cache", metavar="PATH", help="Folder on the server that keeps what the accelerator compiles.")
@click.option("--force", is_flag=True, help="Replace this version of the models.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
def command(
    bundle: Path, output: Path, name: str | None, version: int, kind: Kind, instances: int,
    accelerator: Accelerator | None, engine_cache: str | None, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Write BUNDLE as models of a repository for Triton Inference Server. Needs no torch.

    Models of other bundles may be in the same repository; nothing but this bundle's own models is ever replaced.

    \b
    Example:
      hyperflow-export triton desk.hyperflow -o model_repository --kind gpu --instances 2
    """
    import dataclasses

    import msgspec

    from hyperflow_export.triton.repository import write_repository
    from hyperflow_export.triton.serving import Serving
    from hyperflow_runtime.bundle.reader import read_bundle

    serving = Serving(kind, instances, accelerator, engine_cache)
    report = write_repository(read_bundle(bundle), output, name=name, version=version, serving=serving, force=force)
    if as_json:
        plain = {**dataclasses.asdict(report), "repository": str(report.repository)}
        click.echo(msgspec.json.encode(plain).decode())
        return
    for line in _lines(report, on_gpu=kind == "gpu" or accelerator is not None):
        click.echo(line)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.1f} kB"


def _lines(report: RepositoryReport, *, on_gpu: bool) -> list[str]:
    import shlex

    lines = [f"{file.path:<50}{_size(file.size_bytes):>12}" for file in report.files]
    lines.append(f"Models: {' and '.join(report.models)}, version {report.version}, in {report.repository}")
    gpus = "--gpus all " if on_gpu else ""
    mount = shlex.quote(f"{report.repository}:/models:ro")
    docker = f"docker run --rm {gpus}-p 8000:8000 -v {mount} {_IMAGE} tritonserver --model-repository /models"
    return [
        *lines,
        f"In Docker: {docker}",
        f"Next: tritonserver --model-repository {shlex.quote(str(report.repository))}",
    ]
