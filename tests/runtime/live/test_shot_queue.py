"""The queue of shots: encoded in the background, refused when they come too fast, adapted once at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import (
    AdaptReport,
    HyperflowRuntimeError,
    Session,
)
from hyperflow_runtime.errors import QueueFullError
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


def test_a_shot_is_added_in_the_background(session: Session, pictures: Pictures) -> None:
    with ShotQueue(session) as queue:
        ids = [id_of(queue.offer(label, pictures[label][0])) for label in ("red", "blue")]

    assert ids == [0, 1]
    assert session.n_shots == {"red": 1, "blue": 1}
    assert [shot.label for shot in session.shots] == ["red", "blue"]


def test_many_shots_make_one_adaptation(gated: Session, gate: Gate, pictures: Pictures) -> None:
    outcomes = Outcomes()
    with ShotQueue(gated, on_adapted=outcomes.put) as queue:
        hold(queue, gate, pictures["red"][0])
        futures = [queue.offer(label, pictures[label][i]) for i in range(1, 5) for label in ("red", "green", "blue")]
        assert queue.n_waiting == 12
        queue.request_adapt()
        queue.request_adapt()
        gate.is_open.set()
        assert queue.wait_until_idle(60)

        assert sorted(map(id_of, futures)) == list(range(1, 13))
        report = outcomes.get_nowait()
        assert outcomes.empty()

    assert isinstance(report, AdaptReport)
    assert report.n_shots == {"red": 5, "green": 4, "blue": 4}
    assert gated.report is report
    assert not gated.is_stale


def test_shots_of_one_class_in_a_row_are_encoded_together(gated: Session, gate: Gate, pictures: Pictures) -> None:
    with ShotQueue(gated, max_batch=4, adapt=False) as queue:
        hold(queue, gate, pictures["red"][0])
        futures = [queue.offer("red", picture) for picture in pictures["red"][1:7]]
        gate.is_open.set()
        ids = [id_of(future) for future in futures]

    assert ids == [1, 2, 3, 4, 5, 6]
    sizes = []
    while gated.can_undo:
        before = len(gated.shots)
        gated.undo()
        sizes.append(before - len(gated.shots))
    assert sizes == [2, 4, 1]


def test_undo_takes_back_one_shot_at_a_time_where_they_are_not_batched(
    gated: Session, gate: Gate, pictures: Pictures
) -> None:
    with ShotQueue(gated, max_batch=1, adapt=False) as queue:
        hold(queue, gate, pictures["red"][0])
        last = [queue.offer("red", picture) for picture in pictures["red"][1:4]][-1]
        gate.is_open.set()
        id_of(last)

    gated.undo()
    assert gated.n_shots == {"red": 3}


def test_one_class_is_no_reason_to_adapt_and_no_error(session: Session, pictures: Pictures) -> None:
    outcomes = Outcomes()
    with ShotQueue(session, on_adapted=outcomes.put) as queue:
        id_of(queue.offer("red", pictures["red"][0]))
        queue.request_adapt()
        assert queue.wait_until_idle(60)

    assert outcomes.empty()
    assert not session.is_adapted


def test_nothing_adapts_by_itself_where_it_was_not_asked_for(session: Session, pictures: Pictures) -> None:
    outcomes = Outcomes()
    with ShotQueue(session, adapt=False, on_adapted=outcomes.put) as queue:
        for label in ("red", "blue"):
            queue.put(label, pictures[label][0])
        assert queue.wait_until_idle(60)
        assert outcomes.empty()
        queue.request_adapt()
        assert queue.wait_until_idle(60)

    assert isinstance(outcomes.get_nowait(), AdaptReport)
    assert session.is_adapted


def test_a_full_queue_refuses_and_takes_again_when_there_is_room(
    gated: Session, gate: Gate, pictures: Pictures
) -> None:
    with ShotQueue(gated, max_waiting=2) as queue:
        hold(queue, gate, pictures["red"][0])
        for picture in pictures["red"][1:3]:
            queue.offer("red", picture)
        with pytest.raises(QueueFullError, match="2 shots wait to be encoded; hand them in more slowly"):
            queue.offer("red", pictures["red"][3])
        with pytest.raises(QueueFullError):
            queue.put("red", pictures["red"][3], timeout_s=0.01)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(queue.put, "red", pictures["red"][3], timeout_s=60.0)
            gate.is_open.set()
            assert id_of(waiting.result(timeout=60)) == 3

    assert gated.n_shots == {"red": 4}


def test_a_frame_may_be_overwritten_once_it_is_handed_in(gated: Session, gate: Gate, pictures: Pictures) -> None:
    buffer = pictures["red"][1].copy()
    with ShotQueue(gated, adapt=False) as queue:
        hold(queue, gate, pictures["red"][1])
        future = queue.offer("red", buffer)
        buffer[:] = 0
        gate.is_open.set()
        id_of(future)

    first, second = (shot.image_rgb for shot in gated.shots)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["max_waiting", "max_batch"])
def test_sizes_start_at_1(session: Session, name: str) -> None:
    n_threads = threading.active_count()
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        ShotQueue(session, **{name: 0})
    assert threading.active_count() == n_threads


def test_shots_of_several_threads_all_arrive_while_others_edit(session: Session, pictures: Pictures) -> None:
    labels = ("red", "green", "blue")

    def hand_in(label: str) -> list[int]:
        return [id_of(queue.put(label, picture, timeout_s=60.0)) for picture in pictures[label][:7]]

    def rename() -> None:
        for _ in range(20):
            session.rename_class("grey", "gray")
            session.rename_class("gray", "grey")

    session.add("grey", pictures["grey"][:2])
    with ShotQueue(session, max_waiting=2) as queue, ThreadPoolExecutor(4) as pool:
        handing_in = [pool.submit(hand_in, label) for label in labels]
        renaming = pool.submit(rename)
        ids = [shot_id for future in handing_in for shot_id in future.result(timeout=120)]
        renaming.result(timeout=120)
        assert queue.wait_until_idle(60)

    assert sorted(ids) == list(range(2, 23))
    assert session.n_shots == {"grey": 2, **dict.fromkeys(session.labels[1:], 7)}
    assert not session.is_stale


def test_callbacks_of_futures_may_hand_in_more(session: Session, pictures: Pictures) -> None:
    follow_up: SimpleQueue[Future[int]] = SimpleQueue()

    def again(future: Future[int]) -> None:
        follow_up.put(queue.offer("blue", pictures["blue"][0]))

    add: Callable[[Future[int]], object] = again
    with ShotQueue(session) as queue:
        queue.offer("red", pictures["red"][0]).add_done_callback(add)
        assert id_of(follow_up.get(timeout=60)) == 1
        assert queue.wait_until_idle(60)

    assert session.is_adapted
