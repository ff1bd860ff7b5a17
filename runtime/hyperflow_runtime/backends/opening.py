"""Choosing and opening a backend for a bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.protocol import Backend
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import has_engines
from hyperflow_runtime.errors import BackendError

__all__ = ["BackendChoice", "BackendName", "open_backend"]

BackendName = Literal["auto", "onnxruntime", "tensorrt"]


class BackendChoice(NamedTuple):
    """An opened backend.

    Attributes:
        backend: Ready to run.
        notes: Why it is not a faster one, where that was tried; empty otherwise.
    """

    backend: Backend
    notes: tuple[str, ...] = ()


def open_backend(
    bundle: Bundle, name: BackendName, *, n_threads: int | None, engine_cache: str | Path | None, device_index: int
) -> BackendChoice:
    """Open the backend that was asked for.

    Args:
        bundle: Checked by `read_bundle`.
        name: `auto` takes TensorRT where tested engines of the bundle are in the cache, and onnxruntime otherwise.
        n_threads: Threads a run may use on the processor.
        engine_cache: Folder of the engines; None for the default one.
        device_index: GPU, in CUDA's numbering.

    Raises:
        BackendError: No such backend, or it cannot run the bundle here: both graphs were run once on blank input.
        BundleError: A graph has other shapes than the manifest says.
    """
    if name not in get_args(BackendName):
        raise BackendError(f"no backend {name!r:.40}; choose {', '.join(map(repr, get_args(BackendName)))}")
    if n_threads is not None and n_threads < 1:
        raise BackendError(f"n_threads must be at least 1, got {n_threads}")

    def on_processor() -> Backend:
        return _started(OnnxRuntimeBackend(bundle, n_threads=n_threads), bundle)

    if name == "onnxruntime":
        return BackendChoice(on_processor())
    cache = EngineCache(engine_cache)
    if name == "tensorrt":
        return BackendChoice(_on_gpu(bundle, cache, device_index))
    return _fastest(bundle, cache, device_index, on_processor)


def _on_gpu(bundle: Bundle, cache: EngineCache, device_index: int) -> Backend:
    from hyperflow_runtime.backends.tensorrt.backend import TensorRTBackend
    from hyperflow_runtime.backends.tensorrt.library import installed_libraries

    errors: list[BackendError] = []
    for library in installed_libraries() or ("tensorrt",):
        try:
            opened = TensorRTBackend.open(bundle, cache=cache, device_index=device_index, library=library)
            return _started(opened, bundle)
        except BackendError as error:
            errors.append(error)
    raise errors[0]


def _fastest(
    bundle: Bundle, cache: EngineCache, device_index: int, on_processor: Callable[[], Backend]
) -> BackendChoice:
    try:
        if has_engines(bundle, cache):
            return BackendChoice(_on_gpu(bundle, cache, device_index))
        notes: tuple[str, ...] = ()
    except BackendError as error:
        notes = (f"TensorRT is not used: {error}",)
    return BackendChoice(on_processor(), notes)


def _started(backend: Backend, bundle: Bundle) -> Backend:
    """Run both graphs once on blank input: a graph that fails should fail here, not at the first frame."""
    side = bundle.manifest.preprocessing.size_px
    try:
        features = backend.encode(np.zeros((2, 3, side, side), np.float32), bundle.theta_0)
        backend.adapt(features, np.eye(2, dtype=np.float32), 0.0)
    except BaseException:
        backend.close()
        raise
    return backend
