"""What a prediction costs beside the bare graph, and what it costs to have theta as an input of the graph.

Everything runs in one process, in turns, after a warm-up; ratios are taken within each round (see timing.py). The bare
graph is a call of onnxruntime with an image that is already preprocessed. Example:

    python benchmarks/inference_cost.py --json benchmarks/reference/MACHINE/inference_cost.json
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import click
import msgspec
from machine import describe_machine, usable_cores, write_result
from prediction_costs import PredictionCost, measure_predictions
from rich.console import Console
from rich.table import Table
from variant_costs import VariantCost, measure_variants

from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.bundle.reader import Bundle, read_bundle

__all__ = ["main"]

_FRAME_SIZES_PX = ((640, 480), (1920, 1080))


def _bake_ms(bundle: Bundle, n_threads: int) -> float:
    """Milliseconds until the faster copy of the backbone is ready; the least of three."""
    backend = OnnxRuntimeBackend(bundle, n_threads=n_threads)
    times_ms = []
    for _ in range(3):
        start = perf_counter()
        backend.baked(bundle.theta_0)
        times_ms.append((perf_counter() - start) * 1e3)
    backend.close()
    return min(times_ms)


def _prediction_table(costs: list[PredictionCost]) -> Table:
    table = Table("one prediction", title="milliseconds (medians) and ratios", title_justify="left")
    sizes = [f"{cost.width_px} x {cost.height_px}" for cost in costs]
    for size in sizes:
        table.add_column(size, justify="right")
    for name in PredictionCost.__struct_fields__[2:]:
        table.add_row(name, *(f"{getattr(cost, name):.3f}" for cost in costs))
    return table


def _variant_table(costs: list[VariantCost]) -> Table:
    batches = sorted({cost.batch for cost in costs})
    table = Table("theta", title="backbone, median ms and ratio to constant weights", title_justify="left")
    for batch in batches:
        table.add_column(f"batch {batch}", justify="right")
        table.add_column("ratio", justify="right")
        table.add_column("of fastest", justify="right")
    for name in dict.fromkeys(cost.variant for cost in costs):
        row = {cost.batch: cost for cost in costs if cost.variant == name}
        figures = [(row[b].median_ms, row[b].over_constant, row[b].fastest_over_constant) for b in batches]
        table.add_row(name, *(f"{value:.3f}" for figure in figures for value in figure))
    return table


def _headline(predictions: list[PredictionCost], variants: list[VariantCost], bake_ms: float) -> dict[str, float]:
    first, least_batch = predictions[0], min(cost.batch for cost in variants)
    over_constant = {cost.variant: cost.over_constant for cost in variants if cost.batch == least_batch}
    return {
        "predict_over_bare": first.predict_over_bare,
        "predict_without_preprocessing_over_bare": first.predict_without_preprocessing_over_bare,
        "theta_input_over_constant": over_constant["bundle"],
        "baked_over_constant": over_constant["baked"],
        "predictions_per_second": first.predictions_per_second,
        "bake_ms": bake_ms,
    }


@click.command()
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path),
              default="build/small.hyperflow", show_default=True, help="What to measure.")  # fmt: skip
@click.option("--batch", "batches", type=click.IntRange(min=1), multiple=True, default=(1, 8, 25), show_default=True,
              help="Images a run of the graph variants; may be given several times.")  # fmt: skip
@click.option("--repetitions", type=click.IntRange(min=1), default=200, show_default=True, help="Rounds that count.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads a run may use, all cores by default.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the images.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
def main(
    bundle: Path, batches: tuple[int, ...], repetitions: int, threads: int | None, seed: int, json_path: Path | None
) -> None:
    """Time predictions and the ways to give the backbone its theta."""
    machine, opened, n_threads = describe_machine(), read_bundle(bundle), threads or usable_cores()
    predictions = [
        measure_predictions(bundle, size, n_threads=n_threads, repetitions=repetitions, seed=seed)
        for size in _FRAME_SIZES_PX
    ]
    variants = measure_variants(opened, batches, n_threads=n_threads, repetitions=repetitions, seed=seed)
    headline = _headline(predictions, variants, _bake_ms(opened, n_threads))
    console = Console(width=120)
    console.print(_prediction_table(predictions), _variant_table(variants))
    for key, value in headline.items():
        click.echo(f"{key:<44}{value:.3f}")
    if json_path is not None:
        other = {
            "model": opened.manifest.name,
            "settings": {"batches": batches, "repetitions": repetitions, "threads": n_threads, "seed": seed},
            "machine": machine,
            "predictions": predictions,
            "variants": variants,
        }
        write_result(json_path, {**headline, **msgspec.to_builtins(other)})


if __name__ == "__main__":
    main()
