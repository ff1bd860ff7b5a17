"""What an adaptation costs: HyperFlow's drift on onnxruntime against fine-tuning in torch, in seconds and in memory.

Every method runs in a fresh process, because the peak of a process cannot be undone, and with the same number of
threads. Peak memory is the growth of the process's resident memory over the state just before the adaptation, read
from the kernel's own peak counter. Example:

    python benchmarks/adaptation_cost.py --json benchmarks/reference/MACHINE/adaptation_cost.json
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from costs import Cost, Scope, Task
from machine import describe_machine, usable_cores, write_result
from memory import memory_resolution_mb
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from hyperflow_runtime.bundle.reader import Bundle

__all__ = ["main"]


# Key of a method, and the arguments of the function in hyperflow_costs or finetuning_costs that measures it.
_DRIFT = {"drift": False, "drift_with_encoding": True}
_SESSION = {
    "adapt_unguarded": {"guard": False, "with_encoding": False, "bake": False},
    "adapt_unguarded_with_encoding": {"guard": False, "with_encoding": True, "bake": False},
    "adapt": {"guard": True, "with_encoding": False, "bake": False},
    "adapt_with_encoding": {"guard": True, "with_encoding": True, "bake": False},
    "adapt_with_encoding_and_baking": {"guard": True, "with_encoding": True, "bake": True},
}
_FINETUNING: dict[str, Scope] = {"affine_finetuning": "affine", "full_finetuning": "full"}


def _measure(key: str, task: Task) -> Cost:
    """Measure one method. Runs in the fresh process, which must not load what the method does not need."""
    if key in _FINETUNING:
        from finetuning_costs import measure_finetuning

        return measure_finetuning(task, _FINETUNING[key])
    from hyperflow_costs import measure_drift, measure_session

    if key in _DRIFT:
        return measure_drift(task, with_encoding=_DRIFT[key])
    return measure_session(task, **_SESSION[key])


def _measure_in_fresh_process(key: str, task: Task) -> Cost:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, key, task).result()


def _write_support(path: Path, bundle: Bundle, n_images: int, seed: int) -> None:
    from hyperflow_export.sample_images import random_images

    side = bundle.manifest.preprocessing.size_px
    np.save(path, random_images(n_images, side, np.random.default_rng(seed)))


def _measure_all(bundle: Bundle, task: Task) -> dict[str, Cost]:
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        task = replace(task, support=Path(folder) / "support.npy")
        _write_support(task.support, bundle, task.n_way * task.n_shot, task.seed)
        for key in (*_DRIFT, *_SESSION, *_FINETUNING):
            click.echo(f"measuring {key}", err=True)
            costs[key] = _measure_in_fresh_process(key, task)
    return costs


def _headline(costs: dict[str, Cost], drift_weights_mb: float) -> dict[str, float]:
    drift, everything = costs["drift"], costs["adapt_with_encoding"]
    affine, full = costs["affine_finetuning"], costs["full_finetuning"]
    return {
        "time_ratio_full": drift.seconds / full.seconds,
        "time_ratio_affine": drift.seconds / affine.seconds,
        "memory_ratio_full": drift.peak_mb / full.peak_mb,
        "memory_ratio_affine": drift.peak_mb / affine.peak_mb,
        "time_ratio_full_with_encoding": everything.seconds / full.seconds,
        "memory_ratio_full_with_encoding": everything.peak_mb / full.peak_mb,
        "memory_ratio_full_with_drift_weights": (everything.peak_mb + drift_weights_mb) / full.peak_mb,
    }


def _table(costs: dict[str, Cost], task: Task) -> Table:
    full = costs["full_finetuning"]
    title = f"{task.n_way}-way {task.n_shot}-shot, {task.n_threads} threads; peak memory over the state before"
    table = Table("method", title=title, title_justify="left")
    for heading in ("seconds", "p95", "peak MB", "before MB", "time / full", "memory / full"):
        table.add_column(heading, justify="right")
    for cost in costs.values():
        at_most = "<" if cost.peak_mb > cost.increase_mb else ""
        table.add_row(
            cost.method,
            f"{cost.seconds:.4f}",
            f"{cost.seconds_p95:.4f}",
            f"{at_most}{cost.peak_mb:.1f}",
            f"{cost.before_mb:.0f}",
            f"{cost.seconds / full.seconds:.5f}",
            f"{cost.peak_mb / full.peak_mb:.4f}",
        )
    return table


@click.command()
@click.option("--checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path), default="models/small",
              show_default=True, help="Checkpoint that fine-tuning starts from.")  # fmt: skip
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path),
              default="build/small.hyperflow", show_default=True, help="Bundle of the same checkpoint.")  # fmt: skip
@click.option("--n-way", type=click.IntRange(min=2), default=5, show_default=True, help="Classes.")
@click.option("--n-shot", type=click.IntRange(min=1), default=5, show_default=True, help="Shots a class.")
@click.option("--steps", type=click.IntRange(min=1), default=50, show_default=True, help="Adam steps of fine-tuning.")
@click.option(
    "--repetitions", type=click.IntRange(min=1), default=50, show_default=True, help="Timed runs of HyperFlow."
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of every method, all cores by default.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of images and augmentation.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
def main(
    checkpoint: Path, bundle: Path, n_way: int, n_shot: int, steps: int, repetitions: int, threads: int | None,
    seed: int, json_path: Path | None,
) -> None:  # fmt: skip
    """Compare the cost of adapting by HyperFlow with affine and full fine-tuning."""
    from drift_memory import drift_weights_mb, drift_working_mb

    from hyperflow_runtime.bundle.reader import read_bundle

    machine, opened = describe_machine(), read_bundle(bundle)
    task = Task(bundle, checkpoint, Path(), n_way, n_shot, steps, repetitions, threads or usable_cores(), seed)
    costs = _measure_all(opened, task)
    weights_mb = drift_weights_mb(opened)
    headline = _headline(costs, weights_mb)
    Console(width=120).print(_table(costs, task))
    for key, value in headline.items():
        click.echo(f"{key:<40}{value:.5f}")
    if json_path is not None:
        other = {
            "drift_weights_mb": weights_mb,
            "drift_working_mb": drift_working_mb(opened, n_way, n_shot),
            "memory_resolution_mb": memory_resolution_mb(),
            "model": opened.manifest.name,
            "settings": {"n_way": n_way, "n_shot": n_shot, "steps": steps, "threads": task.n_threads, "seed": seed},
            "machine": machine,
            "methods": costs,
        }
        write_result(json_path, {**headline, **other})


if __name__ == "__main__":
    main()
