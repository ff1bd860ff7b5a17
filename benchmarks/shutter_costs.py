"""Times of a session from the last picture of a support to being ready, and of the predictions after it.

Runs without torch, as a device does, in a process that may use as many cores as it has threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np
from numpy.typing import NDArray
from timing import Times, time_in_turns

from hyperflow_runtime import open_bundle
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.bundle.reader import Bundle, read_bundle
from hyperflow_runtime.preprocessing import crop_and_resize, normalise
from hyperflow_runtime.results import AdaptReport
from hyperflow_runtime.session import Session

__all__ = ["FRAME_MS", "ShutterCost", "ShutterTask", "Span", "measure_shutter"]

FRAME_MS = 1e3 / 30
"""Time between two frames of a camera at 30 frames a second."""

_STAGES = {"drift": "drift", "encode": "support under new thetas", "guard": "guard", "prototypes": "prototypes"}


@dataclass(frozen=True)
class ShutterTask:
    """What is shown to the session.

    Attributes:
        bundle: Folder of the bundle.
        frames: File of camera frames, uint8 BGR (N * S, height, width, 3), class after class; the last arrives last.
        n_way: Classes N.
        n_shot: Shots S a class.
        repetitions: Rounds that count.
        n_threads: Threads a run may use.
    """

    bundle: Path
    frames: Path
    n_way: int
    n_shot: int
    repetitions: int
    n_threads: int


class Span(msgspec.Struct, frozen=True):
    """Time of one thing over all rounds.

    Attributes:
        p50_ms: Median.
        p95_ms: 95th percentile.
        fastest_ms: Least, which other work on the machine disturbs least.
        p50_frames: Median in frames of a camera at 30 frames a second.
        p95_frames: 95th percentile in such frames.
    """

    p50_ms: float
    p95_ms: float
    fastest_ms: float
    p50_frames: float
    p95_frames: float


class ShutterCost(msgspec.Struct, frozen=True):
    """Figures of one number of threads.

    Attributes:
        n_threads: Threads, and cores that the process might use.
        n_candidates: Step sizes between which the guard chose.
        n_encoded: Support images that went through the backbone while adapting.
        shutter_to_ready: From the last frame in memory until `predict` knows the new class: the shot is encoded, then
            `adapt`.
        adapt: `Session.adapt` alone: all shots are encoded at theta_0 already.
        adapt_unguarded: `Session.adapt(guard=False)`.
        prediction_at_once: `Session.predict` right after `adapt`, while the faster encoder is being made.
        prediction: `Session.predict` with the faster encoder, as in a stream of frames.
        stages_ms: Parts of `shutter_to_ready`, medians; those of `adapt` as the session reports them.
        prediction_stages_ms: Parts of `prediction`, medians.
        predictions_per_second: One after another, at the median.
    """

    n_threads: int
    n_candidates: int
    n_encoded: int
    shutter_to_ready: Span
    adapt: Span
    adapt_unguarded: Span
    prediction_at_once: Span
    prediction: Span
    stages_ms: dict[str, float]
    prediction_stages_ms: dict[str, float]
    predictions_per_second: float


def _span(times: Times, name: str) -> Span:
    p50, p95 = times.median_ms(name), times.p95_ms(name)
    return Span(p50, p95, times.fastest_ms(name), p50 / FRAME_MS, p95 / FRAME_MS)


def _label(task: ShutterTask, index: int) -> str:
    return f"class {index // task.n_shot}"


def _all_but_last(session: Session, frames: NDArray[np.uint8], task: ShutterTask) -> None:
    """The state before the shutter: all shots but one are encoded, and the session predicts with what it has."""
    for index, frame in enumerate(frames[:-1]):
        session.add(_label(task, index), frame)
    session.adapt()
    session.wait_until_baked()


def _rounds(
    session: Session, frames: NDArray[np.uint8], task: ShutterTask, *, warm_up: int
) -> tuple[Times, list[AdaptReport]]:
    """Show the last frame again and again; `undo` brings back the state before it."""
    last, label = frames[-1], _label(task, len(frames) - 1)
    times_ms: dict[str, list[float]] = {}
    reports = []
    for _ in range(warm_up + task.repetitions):
        session.predict(last)  # the live view
        moments = [perf_counter()]
        session.add(label, last)
        moments.append(perf_counter())
        reports.append(session.adapt())
        moments.append(perf_counter())
        session.predict(last)
        moments.append(perf_counter())
        session.wait_until_baked()
        start = perf_counter()
        session.adapt(guard=False)
        unguarded = perf_counter() - start
        add, adapt, at_once = np.diff(moments)
        found = {"add": add, "adapt": adapt, "ready": add + adapt, "at once": at_once, "unguarded": unguarded}
        for name, seconds in found.items():
            times_ms.setdefault(name, []).append(1e3 * float(seconds))
        session.undo()
        session.wait_until_baked()
    return Times({name: np.array(values[warm_up:]) for name, values in times_ms.items()}), reports[warm_up:]


def _predictions(session: Session, bundle: Bundle, frame: NDArray[np.uint8], task: ShutterTask, warm_up: int) -> Times:
    rule = bundle.manifest.preprocessing

    def preprocess() -> NDArray[np.float32]:
        return normalise(crop_and_resize(frame, rule)[None], rule)

    ready = preprocess()
    backend = OnnxRuntimeBackend(bundle, n_threads=task.n_threads)
    encoder = backend.baked(bundle.theta_0)
    calls = {
        "preprocess": preprocess,
        "encode": lambda: encoder.encode(ready),
        "predict": lambda: session.predict(frame),
    }
    times = time_in_turns(calls, task.repetitions, warm_up)
    backend.close()
    return times


def _stages(times: Times, reports: list[AdaptReport], preprocess_ms: float) -> dict[str, float]:
    stages = {"preprocess": preprocess_ms, "encode the new shot": max(0.0, times.median_ms("add") - preprocess_ms)}
    for name, title in _STAGES.items():
        stages[title] = float(np.median([report.timings_ms.get(name, 0.0) for report in reports]))
    stages["rest"] = max(0.0, times.median_ms("ready") - sum(stages.values()))
    return stages


def measure_shutter(task: ShutterTask) -> ShutterCost:
    """Time adding the last shot, adapting, and predicting. Runs in a process of its own.

    Args:
        task: What to show, and how often.
    """
    bundle, frames = read_bundle(task.bundle), np.load(task.frames)
    warm_up = min(5, task.repetitions)
    with open_bundle(task.bundle, n_threads=task.n_threads) as model:
        session = model.session()
        _all_but_last(session, frames, task)
        times, reports = _rounds(session, frames, task, warm_up=warm_up)
        predictions = _predictions(session, bundle, frames[-1], task, warm_up)
    preprocess_ms, encode_ms = predictions.median_ms("preprocess"), predictions.median_ms("encode")
    prediction = _span(predictions, "predict")
    return ShutterCost(
        n_threads=task.n_threads,
        n_candidates=len(reports[-1].candidates),
        n_encoded=reports[-1].n_encoded,
        shutter_to_ready=_span(times, "ready"),
        adapt=_span(times, "adapt"),
        adapt_unguarded=_span(times, "unguarded"),
        prediction_at_once=_span(times, "at once"),
        prediction=prediction,
        stages_ms=_stages(times, reports, preprocess_ms),
        prediction_stages_ms={
            "preprocess": preprocess_ms,
            "encode": encode_ms,
            "head and session": max(0.0, prediction.p50_ms - preprocess_ms - encode_ms),
        },
        predictions_per_second=1e3 / prediction.p50_ms,
    )
