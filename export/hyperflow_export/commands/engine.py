"""`hyperflow-export engine`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hyperflow_export.engine.target import Target
    from hyperflow_runtime.engines.plan_header import LibraryName

__all__ = ["command"]


@click.command("engine")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--target", type=click.Choice(["device", "rtx"]), default="device", show_default=True,
              help="This device's GPU, or others ahead of time with TensorRT for RTX.")  # fmt: skip
@click.option("--compute-capability", metavar="LIST",
              help="GPUs of --target rtx, such as 86,89,120; one engine serves them all.")  # fmt: skip
@click.option("--library", type=click.Choice(["tensorrt", "tensorrt_rtx"]),
              help="TensorRT of --target device; by default tensorrt.")  # fmt: skip
@click.option("--device", type=click.IntRange(min=0), default=0, show_default=True, help="GPU of --target device.")
@click.option("--workspace-mib", type=int, default=512, show_default=True,
              help="Most scratch memory of a layer, in MiB.")  # fmt: skip
@click.option("--optimisation-level", "--optimization-level", "--opt-level", type=int, default=3, show_default=True,
              help="0 (fast build) to 5 (fast engine).")  # fmt: skip
@click.option("--cache", type=click.Path(path_type=Path),
              help="Folder of engines; else $HYPERFLOW_ENGINE_CACHE or ~/.cache/hyperflow/engines.")  # fmt: skip
@click.option("--timing-cache/--no-timing-cache", default=True, show_default=True,
              help="Keep what TensorRT measures for the next build.")  # fmt: skip
@click.option("--force", is_flag=True, help="Build even if the engine is in the cache.")
@click.option("--self-test/--no-self-test", default=True, show_default=True,
              help="Compare the results; the runtime refuses engines that were not compared.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be built and why, and build nothing.")
@click.option("--list", "list_only", is_flag=True, help="List the bundle's engines in the cache; needs no TensorRT.")
@click.option("-v", "--verbose", is_flag=True, help="Print what TensorRT says, to standard error.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
def command(
    bundle: Path, target: str, compute_capability: str | None, library: LibraryName | None, device: int,
    workspace_mib: int, optimisation_level: int, cache: Path | None, timing_cache: bool, force: bool, self_test: bool,
    dry_run: bool, list_only: bool, verbose: bool, as_json: bool,
) -> None:  # fmt: skip
    """Build the TensorRT engines of BUNDLE, or find them in the cache. Needs neither torch nor onnx.

    On a device the engines are compared with the bundle's reference data and with onnxruntime; it exits with 1 when
    they differ, and the runtime then never uses them. Ctrl-C leaves nothing half-written.

    \b
    Example:
      hyperflow-export engine desk.hyperflow
      hyperflow-export engine desk.hyperflow --target rtx --compute-capability 86,89,120 --cache engines
      hyperflow-export engine desk.hyperflow --dry-run
    """
    from rich.console import Console

    from hyperflow_export.commands.engine_output import EngineOutput
    from hyperflow_export.engine.making import make_engines
    from hyperflow_export.engine.progress_display import shown_phases
    from hyperflow_export.engine.settings import BuildSettings
    from hyperflow_runtime.bundle.reader import read_bundle
    from hyperflow_runtime.engines.cache import EngineCache

    if verbose:
        _print_messages()
    opened, engines = read_bundle(bundle), EngineCache(cache)
    output = EngineOutput(opened, engines, cache, Console(quiet=as_json, highlight=False), as_json=as_json)
    if list_only:
        output.cached()
        return
    settings = BuildSettings(workspace_mib, optimisation_level, timing_cache)
    chosen = _target(target, compute_capability, library, device)
    output.target(chosen)
    if dry_run:
        output.planned(chosen, settings, force=force)
        return
    report = make_engines(
        opened, chosen, settings, engines, force=force, self_test=self_test,
        announce=output.engine, waiting=output.waiting, listening=lambda: shown_phases(output.console),
    )  # fmt: skip
    output.finish(chosen, report)
    sys.exit(1 if report.passed is False else 0)


def _print_messages() -> None:
    import logging

    messages = logging.getLogger("hyperflow_runtime.tensorrt")
    messages.addHandler(logging.StreamHandler())
    messages.setLevel(logging.INFO)


def _target(kind: str, capabilities: str | None, library: LibraryName | None, device_index: int) -> Target:
    from hyperflow_export.engine.target import ahead_of_time, this_device

    if kind == "device":
        if capabilities is not None:
            raise click.UsageError(
                f"--compute-capability {capabilities} is for --target rtx; an engine of --target device is for the GPU "
                "that is here, so leave it out"
            )
        return this_device(library or "tensorrt", device_index)
    if capabilities is None:
        raise click.UsageError("--target rtx needs --compute-capability, such as 86,89,120")
    if library == "tensorrt":
        raise click.UsageError("--target rtx is built by tensorrt_rtx alone; leave --library out")
    return ahead_of_time(capabilities)
