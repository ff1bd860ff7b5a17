"""`hyperflow-export verify`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hyperflow_export.engine.self_test import SelfTestReport
    from hyperflow_runtime.bundle.reader import Bundle

__all__ = ["command"]


@click.command("verify")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--backend", type=click.Choice(["onnxruntime", "tensorrt"]), default="onnxruntime", show_default=True,
              help="What to run; for tensorrt the verdict is noted with the engines.")  # fmt: skip
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of engines, for tensorrt.")
@click.option("--device", type=click.IntRange(min=0), default=0, show_default=True, help="GPU, for tensorrt.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
def command(bundle: Path, backend: str, cache: Path | None, device: int, as_json: bool) -> None:
    """Check the files of BUNDLE, then run its reference data. Needs no torch. Exits with 1 when anything differs.

    With --backend tensorrt the engines are also compared with onnxruntime at the limits of every shape, and the runtime
    uses them only once they have passed.

    \b
    Example:
      hyperflow-export verify desk.hyperflow
      hyperflow-export verify desk.hyperflow --backend tensorrt
    """
    import msgspec
    from rich.console import Console

    from hyperflow_export.commands.tables import parity_table
    from hyperflow_export.verification import verify_bundle
    from hyperflow_runtime.bundle.reader import read_bundle

    opened = read_bundle(bundle)
    if backend == "tensorrt":
        report = _on_gpu(opened, cache, device)
        name, checks, against = report.backend, list(report.checks), "the reference data and onnxruntime"
    else:
        name, checks, against = "onnxruntime", verify_bundle(opened), "the bundle's reference data"
    passed = all(check.passed for check in checks)
    if as_json:
        found = {"bundle": str(bundle), "backend": name, "passed": passed, "checks": checks}
        click.echo(msgspec.json.encode(found).decode())
    else:
        precision = opened.manifest.precision
        Console().print(parity_table(checks, of=name, against=against, precision=precision))
        click.echo(f"{bundle}: {'every comparison passed' if passed else f'DIFFERS from {against}'}")
    sys.exit(0 if passed else 1)


def _on_gpu(bundle: Bundle, cache: Path | None, device: int) -> SelfTestReport:
    """Test the engines of whichever TensorRT has some here; the error is the first one's."""
    from hyperflow_export.engine.self_test import run_self_test
    from hyperflow_runtime.backends.tensorrt.library import installed_libraries
    from hyperflow_runtime.engines.cache import EngineCache
    from hyperflow_runtime.errors import BackendError

    errors: list[BackendError] = []
    for library in installed_libraries() or ("tensorrt",):
        try:
            return run_self_test(bundle, library, EngineCache(cache), device)
        except BackendError as error:
            errors.append(error)
    raise errors[0]
