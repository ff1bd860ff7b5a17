"""Cost of adapting with HyperFlow on onnxruntime. Runs without torch, as a device does.

The state just before, from which memory counts: the bundle is open, the support images are in memory, and the backbone
has run on one image. Where the support counts as already encoded, it was encoded one image at a time, as shots arrive,
so that seeing all of it again under a new theta is not hidden in memory that onnxruntime keeps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from costs import Cost, Task, cost_of, timed
from memory import PeakMemory

from hyperflow_runtime import open_bundle
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.protocol import Array
from hyperflow_runtime.bundle.reader import read_bundle
from hyperflow_runtime.frames import Frame
from hyperflow_runtime.preprocessing import crop_and_resize, normalise
from hyperflow_runtime.session import Session

__all__ = ["measure_drift", "measure_session"]

_WARM_UP = 3


def _measured(name: str, task: Task, adapt: Callable[[], object], stages: Callable[[], dict[str, float]]) -> Cost:
    """Memory is that of the very first adaptation; time counts after the warm-up."""
    with PeakMemory() as first:
        adapt()
    with PeakMemory() as later:
        seconds = [timed(adapt) for _ in range(_WARM_UP - 1 + task.repetitions)][_WARM_UP - 1 :]
    return cost_of(name, first, later, seconds, stages())


def measure_drift(task: Task, *, with_encoding: bool) -> Cost:
    """Measure the drift alone: the Euler steps, from support features to theta.

    Args:
        task: What to adapt to.
        with_encoding: Include encoding the support at theta_0, from the images.
    """
    bundle = read_bundle(task.bundle)
    backend = OnnxRuntimeBackend(bundle, n_threads=task.n_threads)
    rule, step_size = bundle.manifest.preprocessing, bundle.manifest.adaptation.step_size
    frames = np.load(task.support)
    onehot = np.eye(task.n_way, dtype=np.float32).repeat(task.n_shot, axis=0)

    def encoded(some: Frame) -> Array:
        pixels = np.stack([crop_and_resize(frame, rule, "rgb") for frame in some])
        return backend.encode(normalise(pixels, rule), bundle.theta_0)

    if with_encoding:
        encoded(frames[:1])
        return _measured("encode support, drift", task, lambda: backend.adapt(encoded(frames), onehot, step_size), dict)
    features = np.concatenate([encoded(frames[i : i + 1]) for i in range(len(frames))])
    return _measured("drift", task, lambda: backend.adapt(features, onehot, step_size), dict)


def _add_all(session: Session, frames: Frame, task: Task, *, n_at_once: int) -> None:
    for c in range(task.n_way):
        for start in range(0, task.n_shot, n_at_once):
            first, last = c * task.n_shot + start, c * task.n_shot + min(start + n_at_once, task.n_shot)
            session.add(f"class {c}", list(frames[first:last]))


def measure_session(task: Task, *, guard: bool, with_encoding: bool, bake: bool) -> Cost:
    """Measure `Session.adapt`: drift, support seen again under each new theta, prototypes, threshold of "unknown".

    Args:
        task: What to adapt to.
        guard: Let the support choose among the bundle's step sizes.
        with_encoding: Include adding the shots to a fresh session, a class at a time.
        bake: Include the faster copy of the backbone that is made in the background, and wait for it.
    """
    frames = np.load(task.support)
    timings_ms: list[dict[str, float]] = []
    with open_bundle(task.bundle, n_threads=task.n_threads) as model:
        prepared = model.session(colour_order="rgb", bake=bake)
        if with_encoding:
            prepared.add("warm-up", frames[0])
        else:
            _add_all(prepared, frames, task, n_at_once=1)

        def adapt() -> None:
            session = prepared
            if with_encoding:
                session = model.session(colour_order="rgb", bake=bake)
                _add_all(session, frames, task, n_at_once=task.n_shot)
            timings_ms.append(dict(session.adapt(guard=guard).timings_ms))
            if bake:
                session.wait_until_baked()

        def stages() -> dict[str, float]:
            timed_ones = timings_ms[_WARM_UP:]
            return {stage: float(np.median([one[stage] for one in timed_ones])) for stage in timed_ones[0]}

        before, after = "add shots, " if with_encoding else "", ", bake" if bake else ""
        return _measured(f"{before}adapt({'' if guard else 'guard=False'}){after}", task, adapt, stages)
