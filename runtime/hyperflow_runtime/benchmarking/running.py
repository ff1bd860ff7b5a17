"""Running a benchmark of a bundle."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hyperflow_runtime.backends.opening import BackendName, open_backend
from hyperflow_runtime.benchmarking.report import BenchmarkReport, describe_bundle
from hyperflow_runtime.benchmarking.settings import BenchmarkSettings
from hyperflow_runtime.benchmarking.stages import stages_of
from hyperflow_runtime.board.conditions import read_conditions
from hyperflow_runtime.board.identity import describe_board
from hyperflow_runtime.board.software import package_versions
from hyperflow_runtime.bundle.reader import read_bundle
from hyperflow_runtime.measuring import time_in_turns
from hyperflow_runtime.model import Model

__all__ = ["run_benchmark"]

_PACKAGES = ("hyperflow", "numpy", "onnxruntime", "pillow", "pycuda", "tensorrt", "tensorrt_rtx")


def run_benchmark(
    path: str | Path, backend: BackendName = "auto", settings: BenchmarkSettings | None = None, *,
    engine_cache: str | Path | None = None, device_index: int = 0,
    announce: Callable[[int, int], object] = lambda done, of: None,
) -> BenchmarkReport:  # fmt: skip
    """Time every stage of a bundle on this board.

    Args:
        path: The folder `NAME.hyperflow`.
        backend: As `open_bundle` takes it.
        settings: Sizes and repetitions; None for the usual ones.
        engine_cache: As `open_bundle` takes it.
        device_index: As `open_bundle` takes it.
        announce: Told after each round how many are done, of how many.

    Raises:
        BundleError: Missing, torn, changed, hostile, or of another schema.
        SupportError: More classes or shots than the bundle is for.
        BackendError: The backend is absent, or refuses a graph.
    """
    settings = settings or BenchmarkSettings()
    board, conditions = describe_board(), read_conditions()
    start = time.perf_counter()
    bundle = read_bundle(path)
    opened, notes = open_backend(
        bundle, backend, n_threads=settings.n_threads, engine_cache=engine_cache, device_index=device_index
    )
    with Model(bundle, opened, notes) as model:
        side = bundle.manifest.preprocessing.size_px
        opened.encode(np.zeros((1, 3, side, side), np.float32), bundle.theta_0)
        open_ms = (time.perf_counter() - start) * 1e3
        stages = time_in_turns(
            stages_of(model, opened, bundle, settings),
            repetitions=settings.repetitions, warm_up=settings.warm_up, announce=announce,
        )  # fmt: skip
    return BenchmarkReport(
        bundle=describe_bundle(bundle),
        backend=opened.name.split()[0].lower(),
        backend_name=opened.name,
        board=board,
        conditions=conditions,
        warnings=(*conditions.warnings(), *notes),
        settings=settings,
        software={"python": platform.python_version(), **package_versions(_PACKAGES)},
        open_ms=open_ms,
        stages=stages,
    )
