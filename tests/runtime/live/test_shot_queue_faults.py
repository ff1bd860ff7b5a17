"""What goes wrong with shots: bad frames, limits, failures, cancelling and closing."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import (
    AdaptReport,
    BackendError,
    FrameError,
    HyperflowRuntimeError,
    Model,
    Session,
    SupportError,
)
from hyperflow_runtime.live.shot_queue import ShotQueue

Pictures = dict[str, list[NDArray[np.uint8]]]
Gate = Any
Outcomes = SimpleQueue[AdaptReport | HyperflowRuntimeError]


def id_of(future: Future[int]) -> int:
    return future.result(timeout=60)


def hold(queue: ShotQueue, gate: Gate, picture: NDArray[np.uint8]) -> Future[int]:
    """Let the queue take one shot, and stop it there."""
    future = queue.offer("red", picture)
    assert gate.is_reached.wait(60)
    return future


def test_one_bad_frame_does_not_take_the_others_with_it(gated: Session, gate: Gate, pictures: Pictures) -> None:
    frames = [pictures["red"][0], np.zeros((2, 2, 3), np.uint8), pictures["red"][1]]
    with ShotQueue(gated) as queue:
        hold(queue, gate, pictures["red"][2])
        first, bad, last = [queue.offer("red", frame) for frame in frames]
        gate.is_open.set()

        assert (id_of(first), id_of(last)) == (1, 2)
        with pytest.raises(FrameError, match="the frame is 2 x 2 px"):
            id_of(bad)


@pytest.mark.parametrize(("label", "frame"), [("", np.zeros((40, 40, 3), np.uint8)), ("red", "no frame")])
def test_what_is_no_shot_fails_in_its_future_and_the_queue_goes_on(
    session: Session, pictures: Pictures, label: str, frame: NDArray[np.uint8]
) -> None:
    with ShotQueue(session) as queue:
        with pytest.raises(HyperflowRuntimeError):
            id_of(queue.offer(label, frame))
        assert id_of(queue.offer("red", pictures["red"][0])) == 0


def test_a_limit_of_the_bundle_is_told_in_the_future(session: Session, model: Model, pictures: Pictures) -> None:
    with ShotQueue(session, adapt=False) as queue:
        for index in range(model.manifest.limits.max_ways):
            id_of(queue.put(f"class {index}", pictures["red"][0], timeout_s=60.0))
        with pytest.raises(SupportError, match="the bundle's limit is"):
            id_of(queue.put("one more", pictures["red"][0]))


def test_a_shot_that_was_cancelled_is_not_added(gated: Session, gate: Gate, pictures: Pictures) -> None:
    with ShotQueue(gated) as queue:
        hold(queue, gate, pictures["red"][0])
        cancelled, kept = (queue.offer("red", pictures["red"][index]) for index in (1, 2))
        assert cancelled.cancel()
        gate.is_open.set()
        id_of(kept)
        assert queue.wait_until_idle(60)

    assert gated.n_shots == {"red": 2}


@pytest.mark.parametrize(
    ("error", "text"),
    [(BackendError("no memory left"), "no memory left"), (KeyError("odd"), "KeyError"), (MemoryError("all"), "all")],
)
def test_an_adaptation_that_fails_is_told_and_the_queue_goes_on(
    gated: Session, gate: Gate, pictures: Pictures, error: Exception, text: str
) -> None:
    gate.is_open.set()
    gate.adapting_fails = error
    outcomes = Outcomes()
    with ShotQueue(gated, on_adapted=outcomes.put) as queue:
        for label in ("red", "blue"):
            queue.put(label, pictures[label][0])
        failure = outcomes.get(timeout=60)
        gate.adapting_fails = None
        queue.request_adapt()
        assert isinstance(outcomes.get(timeout=60), AdaptReport)

    assert isinstance(failure, HyperflowRuntimeError)
    assert text in str(failure)


def test_a_mistake_in_the_callers_function_does_not_end_the_queue(
    session: Session, pictures: Pictures, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("a mistake")

    with ShotQueue(session, on_adapted=fail) as queue:
        for label in ("red", "blue", "green"):
            id_of(queue.offer(label, pictures[label][0]))
            assert queue.wait_until_idle(60)

    assert session.report is not None
    assert session.report.n_shots == {"red": 1, "blue": 1, "green": 1}
    assert "on_adapted failed; the queue goes on" in caplog.text


def test_closing_finishes_what_runs_and_cancels_what_waits(gated: Session, gate: Gate, pictures: Pictures) -> None:
    outcomes = Outcomes()
    queue = ShotQueue(gated, on_adapted=outcomes.put)
    running = hold(queue, gate, pictures["red"][0])
    waiting = [queue.offer("red", picture) for picture in pictures["red"][1:4]]
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(queue.close)
        for future in waiting:
            with pytest.raises(CancelledError):
                future.result(timeout=60)
        gate.is_open.set()
        closing.result(timeout=60)
    queue.close()

    assert id_of(running) == 0
    assert gated.n_shots == {"red": 1}
    with pytest.raises(SupportError, match="the queue of shots is closed; make a new one"):
        queue.offer("red", pictures["red"][4])


def test_closing_wakes_who_waits_for_room(gated: Session, gate: Gate, pictures: Pictures) -> None:
    queue = ShotQueue(gated, max_waiting=1)
    hold(queue, gate, pictures["red"][0])
    queue.offer("red", pictures["red"][1])
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(queue.put, "red", pictures["red"][2], timeout_s=60.0)
        closing = pool.submit(queue.close)
        with pytest.raises(SupportError, match="is closed"):
            waiting.result(timeout=60)
        gate.is_open.set()
        closing.result(timeout=60)


def test_the_callers_function_may_close_the_queue(session: Session, pictures: Pictures) -> None:
    queues: list[ShotQueue] = []
    done = threading.Event()

    def close(_: object) -> None:
        queues[0].close()
        done.set()

    queues.append(ShotQueue(session, adapt=False, on_adapted=close))
    for label in ("red", "blue"):
        queues[0].put(label, pictures[label][0])
    queues[0].request_adapt()
    assert done.wait(60)
    queues[0].close()

    assert session.is_adapted


def test_waiting_until_idle_ends_when_it_takes_too_long(gated: Session, gate: Gate, pictures: Pictures) -> None:
    with ShotQueue(gated) as queue:
        assert queue.wait_until_idle(60)
        hold(queue, gate, pictures["red"][0])
        assert not queue.wait_until_idle(0.01)
        gate.is_open.set()
        assert queue.wait_until_idle(60)
