"""What engines weigh and how long they take to build, ahead of time on a processor, with TensorRT for RTX.

Each graph of each bundle is built for each capability alone, and once for all of them together; the backbone also with
theta as a constant, which is what theta as an input is to be compared with. How fast engines run is another matter:
such a plan is compiled on the GPU that runs it. Example:

    python benchmarks/engine_builds.py --bundle build/nano.hyperflow --bundle build/nano-fp16.hyperflow
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from machine import describe_machine, write_result
from rich.console import Console
from rich.table import Table

from hyperflow_export.engine.building import build_plan
from hyperflow_export.engine.keys import engine_key
from hyperflow_export.engine.precision_rules import described
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import Target, ahead_of_time
from hyperflow_runtime.backends.onnx_constant import with_constant_input
from hyperflow_runtime.bundle.reader import Bundle, read_bundle
from hyperflow_runtime.engines.key import GraphName

__all__ = ["main"]


class Build(msgspec.Struct, frozen=True):
    """One graph built for some capabilities.

    Attributes:
        bundle: Its name.
        precision: Of the bundle.
        graph: `backbone`, `backbone, theta constant` or `adapt`.
        capabilities: Of the GPUs it is for.
        onnx_mb: Size of the graph, in 10^6 bytes.
        plan_mb: Size of the plan, in 10^6 bytes.
        seconds: Median of the repetitions, from parsing to the last check.
        products: Convolutions and matrix products of each precision.
    """

    bundle: str
    precision: str
    graph: str
    capabilities: tuple[str, ...]
    onnx_mb: float
    plan_mb: float
    seconds: float
    products: dict[str, int]


def _graphs(bundle: Bundle) -> Iterator[tuple[str, GraphName, bytes]]:
    yield "backbone", "backbone", bundle.backbone_onnx
    constant = with_constant_input(bundle.backbone_onnx, "theta", bundle.theta_0)
    yield "backbone, theta constant", "backbone", constant
    yield "adapt", "adapt", bundle.adapt_onnx


def _measure(bundle: Bundle, title: str, graph: GraphName, onnx: bytes, target: Target, repetitions: int) -> Build:
    key = msgspec.structs.replace(
        engine_key(bundle, graph, target, BuildSettings()), graph_sha256=hashlib.sha256(onnx).hexdigest()
    )
    builds = [build_plan(key, onnx, target) for _ in range(repetitions)]
    return Build(
        bundle=bundle.manifest.name,
        precision=bundle.manifest.precision,
        graph=title,
        capabilities=target.compute_capabilities,
        onnx_mb=round(len(onnx) / 1e6, 3),
        plan_mb=round(statistics.median(len(build.plan) for build in builds) / 1e6, 3),
        seconds=round(statistics.median(build.seconds for build in builds), 2),
        products=builds[0].precisions,
    )


def _theta_extra_mb(builds: list[Build]) -> dict[str, float]:
    """How much larger the backbone's plan is with theta as an input than constant; the most over all capabilities."""
    sizes = {(build.bundle, build.graph, build.capabilities): build.plan_mb for build in builds}
    extra: dict[str, float] = {}
    for (bundle, graph, capabilities), plan_mb in sizes.items():
        if graph == "backbone":
            difference = plan_mb - sizes[bundle, "backbone, theta constant", capabilities]
            extra[bundle] = round(max(difference, extra.get(bundle, difference)), 3)
    return extra


def _table(builds: list[Build], library: str) -> Table:
    table = Table("bundle", "graph", "capabilities", "products", title=library, title_justify="left")
    for heading in ("ONNX MB", "plan MB", "seconds"):
        table.add_column(heading, justify="right")
    for build in builds:
        sizes = (f"{build.onnx_mb:.2f}", f"{build.plan_mb:.2f}", f"{build.seconds:.2f}")
        table.add_row(build.bundle, build.graph, ", ".join(build.capabilities), described(build.products), *sizes)
    return table


@click.command()
@click.option("--bundle", "bundles", type=click.Path(exists=True, file_okay=False, path_type=Path), multiple=True,
              default=("build/nano.hyperflow",), show_default=True, help="May be given several times.")  # fmt: skip
@click.option("--compute-capability", default="80,86,89,120", show_default=True, help="Each alone, then all together.")
@click.option("--repetitions", type=click.IntRange(min=1), default=3, show_default=True, help="Builds of each.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
def main(bundles: tuple[Path, ...], compute_capability: str, repetitions: int, json_path: Path | None) -> None:
    """Build every graph for every capability, and weigh the plans."""
    machine, opened = describe_machine(), [read_bundle(path) for path in bundles]
    together = ahead_of_time(compute_capability)
    alone = [ahead_of_time(capability) for capability in together.compute_capabilities]
    targets = [*alone, together] if len(alone) > 1 else alone
    builds = []
    for bundle in opened:
        for title, graph, onnx in _graphs(bundle):
            for target in targets:
                click.echo(f"building {bundle.manifest.name} {title} for {target}", err=True)
                builds.append(_measure(bundle, title, graph, onnx, target, repetitions))
    library = str(together.library)
    Console(width=120).print(_table(builds, library))
    extra = _theta_extra_mb(builds)
    for name, extra_mb in extra.items():
        click.echo(f"{name}: theta as an input adds {extra_mb:.2f} MB to the backbone's plan")
    if json_path is not None:
        settings = {"compute_capability": compute_capability, "repetitions": repetitions}
        other = {"library": library, "settings": settings, "machine": machine, "builds": builds}
        write_result(json_path, {"theta_input_extra_mb": extra, **msgspec.to_builtins(other)})


if __name__ == "__main__":
    main()
