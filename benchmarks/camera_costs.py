"""Times of a session that follows a camera: each stage, the gaps between answers, adapting.

Runs without torch, as a device does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
import numpy as np
from camera_teaching import Pictures, taught, with_classes

from hyperflow_runtime import Model, Session
from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.frames import Frame
from hyperflow_runtime.live.answer import LiveAnswer
from hyperflow_runtime.live.classifying import LiveClassifier

__all__ = [
    "AdaptCost",
    "LiveCost",
    "Spread",
    "answers_of",
    "predictions_per_second",
    "time_adapting",
    "time_answers",
]

_STAGES = ("capture_age", "preprocess", "encode", "head", "total")


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds of one thing over all of its occurrences.

    Attributes:
        p50_ms: Median.
        p95_ms: What 95 of 100 stay below.
        p99_ms: What 99 of 100 stay below.
        max_ms: The longest.
    """

    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class LiveCost(msgspec.Struct, frozen=True):
    """A camera that was followed for a while.

    Attributes:
        n_answers: Frames answered.
        answers_per_second: From the first to the last.
        n_frames: Frames that came meanwhile.
        n_adaptations: Adaptations that were finished meanwhile.
        stages: `capture_age` is from the arrival of a frame to the start of work, `total` from there to the answer.
        gap: From one answer to the next.
    """

    n_answers: int
    answers_per_second: float
    n_frames: int
    n_adaptations: int
    stages: dict[str, Spread]
    gap: Spread


class AdaptCost(msgspec.Struct, frozen=True):
    """Adapting to a support of one size.

    Attributes:
        n_way: Classes.
        n_shot: Shots of each.
        p50_ms: Median of `Session.adapt`.
        max_ms: The longest.
    """

    n_way: int
    n_shot: int
    p50_ms: float
    max_ms: float


def _spread(values_ms: Sequence[float]) -> Spread:
    p50, p95, p99 = np.percentile(values_ms, [50, 95, 99])
    return Spread(float(p50), float(p95), float(p99), float(max(values_ms)))


def answers_of(live: LiveClassifier, seconds: float) -> Iterator[LiveAnswer]:
    """Yield answers for a time, and at least three.

    Raises:
        CameraError: The camera gives no more frames.
        RuntimeError: A frame was not answered.
    """
    after, n, end_s = live.wait(timeout_s=30.0).frame.index, 0, time.monotonic() + seconds
    while n < 3 or time.monotonic() < end_s:
        answer = live.wait(after, timeout_s=30.0)
        if answer.error is not None:
            raise RuntimeError(f"frame {answer.frame.index} was not answered: {answer.error}")
        after, n = answer.frame.index, n + 1
        yield answer


def time_answers(camera: Camera, session: Session, *, seconds: float, adapting: bool) -> LiveCost:
    """Follow a camera.

    Args:
        camera: Running.
        session: Adapted.
        seconds: How long.
        adapting: Adapt all the while, in another thread, one time after the other.

    Raises:
        CameraError: The camera gives no more frames.
    """
    n_before = camera.status.n_captured
    with LiveClassifier(camera, session) as live, _kept_adapting(session, wanted=adapting) as n_adaptations:
        answers = list(answers_of(live, seconds))
    n_frames = camera.status.n_captured - n_before
    stages = {name: _spread([answer.timings_ms[name] for answer in answers]) for name in _STAGES}
    gaps_s = np.diff([answer.answered_s for answer in answers])
    gap = _spread((gaps_s * 1e3).tolist())
    return LiveCost(len(answers), float(1 / gaps_s.mean()), n_frames, sum(n_adaptations), stages, gap)


@contextmanager
def _kept_adapting(session: Session, *, wanted: bool) -> Iterator[list[int]]:
    """Adapt again and again; afterwards, the list given holds how often."""
    done, counts = threading.Event(), [0]

    def adapt() -> None:
        while not done.is_set():
            session.adapt()
            counts[0] += 1

    thread = threading.Thread(target=adapt, name="adapting")
    if wanted:
        thread.start()
    try:
        yield counts
    finally:
        done.set()
        if wanted:
            thread.join()


def time_adapting(
    model: Model, pictures: Pictures, *, n_ways: Sequence[int], n_shot: int, repetitions: int
) -> list[AdaptCost]:
    """Adapt after each shot, as a user does who teaches one class after the other.

    Args:
        model: Of the bundle.
        pictures: At least `n_shot` of each class.
        n_ways: Numbers of classes.
        n_shot: Most shots of each class.
        repetitions: How often each is timed.
    """
    return [
        _adapt_cost(model, with_classes(pictures, n_way=n_way, n_shot=shots), repetitions)
        for n_way in n_ways
        for shots in range(1, n_shot + 1)
    ]


def _adapt_cost(model: Model, pictures: Pictures, repetitions: int) -> AdaptCost:
    session = taught(model, pictures)
    times_ms = []
    for _ in range(repetitions):
        times_ms.append(session.adapt().timings_ms["total"])
        session.wait_until_baked()
    n_shot = len(next(iter(pictures.values())))
    return AdaptCost(len(pictures), n_shot, float(np.median(times_ms)), max(times_ms))


def predictions_per_second(session: Session, frames: Sequence[Frame], *, seconds: float) -> float:
    """Predict one frame after the other, without a camera that sets the pace."""
    session.predict(frames[0])
    n, start_s = 0, time.perf_counter()
    while (elapsed_s := time.perf_counter() - start_s) < seconds or n == 0:
        session.predict(frames[n % len(frames)])
        n += 1
    return n / elapsed_s
