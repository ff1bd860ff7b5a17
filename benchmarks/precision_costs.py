"""What fp16 and int8 cost and save: files, times on this processor, engines, and theta as an input in each precision.

Every precision runs in several forms (see theta_variants.py): `bundle` has theta as an input as it is exported, `baked`
has it as a constant and is what the others are compared with. All run in turns in one process; ratios are taken within
each round (see timing.py). int8 exists as a bundle and baked alone. Where TensorRT for RTX is installed, engines are
built too, without a GPU. A processor without fp16 or int8 kernels runs these graphs in float32 with conversions
between, so it is slower there: the times say what this processor makes of them, not what a GPU does. Example::

    python benchmarks/precision_costs.py small.hyperflow small-fp16.hyperflow small-int8.hyperflow --json OUT
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click
import msgspec
import numpy as np
from bare_session import open_bare_session
from machine import describe_machine, usable_cores, write_result
from numpy.typing import NDArray
from precision_engines import EngineCost, build_engine, load_tensorrt_rtx
from rich.console import Console
from rich.table import Table
from theta_variants import Variant, theta_variants
from timing import Times, time_in_turns

from hyperflow_export.precision.mixed_half import to_half
from hyperflow_runtime.backends.onnx_constant import with_constant_input
from hyperflow_runtime.bundle.reader import Bundle, read_bundle

__all__ = ["PrecisionForm", "main"]


class PrecisionForm(msgspec.Struct, frozen=True):
    """One backbone in one precision and one form.

    Attributes:
        precision: Of the bundle.
        form: Of theta_variants.py.
        graph_bytes: Size of the ONNX file.
        median_ms: Middle time of a run in onnxruntime.
        fastest_ms: Least time of a run.
        over_baked: Ratio to the same precision with theta constant, the middle of the ratios within each round.
        over_fp32: Ratio to the first bundle in the same form.
        engine: Of TensorRT for RTX; None where it is not installed.
    """

    precision: str
    form: str
    graph_bytes: int
    median_ms: float
    fastest_ms: float
    over_baked: float
    over_fp32: float
    engine: EngineCost | None


_Forms = dict[tuple[str, str], Variant]
_MIXED = ("baked", "bundle", "constant", "one_split", "kernels")
"""Forms that have at most one input for theta, and so an fp16 version."""


def _forms(bundles: Sequence[Bundle]) -> _Forms:
    """Every precision in its forms; those of fp16 are written by the exporter's own code from those of fp32."""
    first, forms = bundles[0], _Forms()
    variants = theta_variants(first.backbone_onnx, first.theta_0)
    for bundle in bundles:
        precision = bundle.manifest.precision
        if precision == "int8":
            forms[precision, "baked"] = Variant(with_constant_input(bundle.backbone_onnx, "theta", bundle.theta_0))
            forms[precision, "bundle"] = Variant(bundle.backbone_onnx, {"theta": bundle.theta_0})
            continue
        for form in _MIXED:
            variant = variants[form]
            model = variant.model if precision == "fp32" else to_half(variant.model, [], parameter=_theta(variant))[0]
            forms[precision, form] = Variant(model, variant.feeds)
    return forms


def _theta(variant: Variant) -> str | None:
    return "theta" if variant.feeds else None


def _times(forms: _Forms, bundle: Bundle, batch: int, n_threads: int, repetitions: int) -> Times:
    side, rng = bundle.manifest.preprocessing.size_px, np.random.default_rng(0)
    images = rng.standard_normal((batch, 3, side, side), dtype=np.float32)

    def call(key: tuple[str, str]) -> Callable[[], NDArray[np.float32]]:
        session = open_bare_session(forms[key].model, n_threads)
        feeds = {"images": images, **forms[key].feeds}
        return lambda: np.asarray(session.run(None, feeds)[0])

    return time_in_turns({" ".join(key): call(key) for key in forms}, repetitions, warm_up=min(5, repetitions))


def _engine(trt: object, graph: bytes, bundle: Bundle) -> EngineCost | None:
    if trt is None:
        return None
    image = (3, *(bundle.manifest.preprocessing.size_px,) * 2)
    largest = bundle.manifest.limits.max_batch
    return build_engine(trt, graph, {"images": ((1, *image), (min(8, largest), *image), (largest, *image))})


def _table(forms: Sequence[PrecisionForm], title: str) -> Table:
    table = Table("precision", "form", "MB", "ms", "/baked", "/fp32", "engine MB", "build s", title=title)
    for form in forms:
        engine = ("", "") if form.engine is None else (
            f"{form.engine.size_bytes / 1e6:.2f}", f"{form.engine.build_seconds:.2f}"
        )  # fmt: skip
        table.add_row(
            form.precision, form.form, f"{form.graph_bytes / 1e6:.2f}", f"{form.median_ms:.2f}",
            f"{form.over_baked:.2f}", f"{form.over_fp32:.2f}", *engine,
        )  # fmt: skip
    return table


def _check_same_model(bundles: Sequence[Bundle]) -> None:
    precisions = [bundle.manifest.precision for bundle in bundles]
    if precisions[0] != "fp32" or len(set(precisions)) != len(precisions):
        raise click.ClickException(f"name the fp32 bundle first, and each precision once; got {', '.join(precisions)}")
    for bundle in bundles[1:]:
        if bundle.manifest.theta != bundles[0].manifest.theta or not np.array_equal(bundle.theta_0, bundles[0].theta_0):
            raise click.ClickException(f"{bundle.path} is of another checkpoint than {bundles[0].path}")


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Images a run.")
@click.option("--repetitions", type=click.IntRange(min=1), default=200, show_default=True, help="Rounds that count.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads a run may use, all cores by default.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here.")
def main(bundles: tuple[Path, ...], batch: int, repetitions: int, threads: int | None, json_path: Path | None) -> None:
    """Compare BUNDLES of one checkpoint, the fp32 one first."""
    machine, n_threads, trt = describe_machine(), threads or usable_cores(), load_tensorrt_rtx()
    opened = [read_bundle(path) for path in bundles]
    _check_same_model(opened)
    forms = _forms(opened)
    times = _times(forms, opened[0], batch, n_threads, repetitions)
    results = [
        PrecisionForm(
            precision, form, len(variant.model),
            times.median_ms(f"{precision} {form}"), times.fastest_ms(f"{precision} {form}"),
            times.ratio(f"{precision} {form}", f"{precision} baked"),
            times.ratio(f"{precision} {form}", f"fp32 {form}"),
            _engine(trt, variant.model, opened[0]),
        )
        for (precision, form), variant in forms.items()
    ]  # fmt: skip
    Console(width=120).print(_table(results, f"{opened[0].manifest.name}, batch {batch}: backbone in onnxruntime"))
    sizes = {
        bundle.manifest.precision: {name: entry.size_bytes for name, entry in bundle.manifest.files.items()}
        for bundle in opened
    }
    if json_path is not None:
        overhead = {form.precision: form.over_baked for form in results if form.form == "bundle"}
        settings = {"batch": batch, "repetitions": repetitions, "threads": n_threads}
        result = {"theta_input_over_baked": overhead, "model": opened[0].manifest.name, "settings": settings,
                  "machine": machine, "tensorrt_rtx": getattr(trt, "__version__", None), "forms": results,
                  "file_bytes": sizes}  # fmt: skip
        write_result(json_path, msgspec.to_builtins(result))


if __name__ == "__main__":
    main()
