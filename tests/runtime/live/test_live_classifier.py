"""The live classifier: the newest frame answered, while the session changes, the camera goes and frames fail."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import Model, Session
from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.source import EndOfSource
from hyperflow_runtime.live.classifying import LiveAnswer, LiveClassifier
from hyperflow_runtime.live.smoothing import Smoother

Pictures = dict[str, list[NDArray[np.uint8]]]
Feed = Any


def teach(session: Session, pictures: Pictures, *labels: str) -> None:
    for label in labels:
        session.add(label, pictures[label][:3])
    session.adapt()


def wait(live: LiveClassifier, after: int = -1) -> LiveAnswer:
    return live.wait(after, timeout_s=30.0)


def all_answers(live: LiveClassifier) -> list[LiveAnswer]:
    """All until the source is over; complete only where somebody waits for each."""
    answers: list[LiveAnswer] = []
    while True:
        try:
            answers.append(wait(live, answers[-1].frame.index if answers else -1))
        except EndOfSource:
            return answers


def wait_for_end(live: LiveClassifier) -> None:
    with pytest.raises(EndOfSource):
        wait(live, after=10**9)


def test_each_frame_gets_the_answer_that_the_session_gives(
    feed: Feed, camera: Camera, adapted: Session, pictures: Pictures
) -> None:
    with LiveClassifier(camera, adapted, smoother=Smoother()) as live:
        for index, label in enumerate(("red", "green", "blue")):
            feed.show(pictures[label][7])
            answer = wait(live, index - 1)

            assert answer.frame.index == index
            assert answer.prediction == adapted.predict(pictures[label][7])
            assert answer.error is None
            assert answer.smoothed is not None
            assert set(answer.smoothed.scores) == {"red", "green", "blue"}
            assert live.newest is answer


def test_every_frame_is_answered_where_frames_wait_for_their_reader(
    feed: Feed, camera: Camera, adapted: Session, pictures: Pictures
) -> None:
    feed.show(*pictures["red"], *pictures["blue"])
    feed.end()
    with LiveClassifier(camera, adapted) as live:
        wait_for_end(live)
        status = live.status

    assert (status.n_answered, status.n_skipped, status.has_ended, status.last_error) == (16, 0, True, None)


def test_stages_are_timed(feed: Feed, camera: Camera, adapted: Session, pictures: Pictures) -> None:
    feed.show(pictures["red"][7])
    with LiveClassifier(camera, adapted) as live:
        answer = wait(live)

    timings_ms = dict(answer.timings_ms)
    total_ms = timings_ms.pop("total")
    assert set(timings_ms) == {"capture_age", "preprocess", "encode", "head"}
    assert all(value >= 0 for value in timings_ms.values())
    assert sum(timings_ms.values()) <= total_ms
    assert total_ms == pytest.approx(1e3 * (answer.answered_s - answer.frame.captured_s))


def test_frames_are_passed_on_without_a_prediction_until_the_session_is_adapted(
    feed: Feed, camera: Camera, session: Session, pictures: Pictures
) -> None:
    with LiveClassifier(camera, session, smoother=Smoother()) as live:
        feed.show(pictures["red"][7])
        before = wait(live)
        teach(session, pictures, "red", "blue")
        feed.show(pictures["red"][7])
        after = wait(live, before.frame.index)

    assert (before.prediction, before.smoothed, before.error) == (None, None, None)
    assert set(before.timings_ms) == {"capture_age", "total"}
    assert after.prediction is not None
    assert after.prediction.best == "red"


def test_a_session_that_loses_its_classes_is_one_that_is_not_adapted(
    feed: Feed, camera: Camera, adapted: Session, pictures: Pictures
) -> None:
    with LiveClassifier(camera, adapted, smoother=Smoother()) as live:
        for label in adapted.labels:
            adapted.remove_class(label)
        feed.show(pictures["red"][7])
        answer = wait(live)

    assert (answer.prediction, answer.smoothed, answer.error) == (None, None, None)


def test_answers_without_adapting_come_when_they_are_asked_for(
    feed: Feed, camera: Camera, adapted: Session, pictures: Pictures
) -> None:
    frame = pictures["green"][7]
    with LiveClassifier(camera, adapted) as live:
        feed.show(frame)
        assert wait(live).direct is None
        live.compare = True
        feed.show(frame)
        answer = wait(live, 0)

    assert answer.direct == adapted.predict(frame, adapted=False)
    assert answer.prediction == adapted.predict(frame)


def test_labels_are_always_those_of_one_moment_while_the_session_is_edited(
    feed: Feed, camera: Camera, adapted: Session, pictures: Pictures
) -> None:
    moments = ({"red", "green", "blue"}, {"red", "verde", "blue"}, {"red", "verde"})

    def edit() -> None:
        for _ in range(5):
            adapted.rename_class("green", "verde")
            adapted.adapt()
            adapted.remove_class("blue")
            adapted.adapt()
            for _edit in range(2):
                adapted.undo()
        feed.end()

    feed.show(*pictures["red"] * 20)
    with ThreadPoolExecutor(1) as pool, LiveClassifier(camera, adapted, smoother=Smoother(), compare=True) as live:
        editing = pool.submit(edit)
        answers = all_answers(live)
        editing.result()

    assert all(answer.error is None for answer in answers)
    for answer in answers:
        assert answer.prediction is not None
        assert answer.smoothed is not None
        assert set(answer.prediction.scores) in moments
        assert set(answer.smoothed.scores) == set(answer.prediction.scores)


def test_any_number_of_threads_may_wait_for_the_same_answer(
    feed: Feed, camera: Camera, adapted: Session, pictures: Pictures
) -> None:
    with ThreadPoolExecutor(4) as pool, LiveClassifier(camera, adapted) as live:
        waiting = [pool.submit(wait, live) for _ in range(4)]
        feed.show(pictures["red"][7])
        answers = [future.result() for future in waiting]

    assert all(answer is answers[0] for answer in answers)


def test_a_tight_budget_leaves_frames_out_and_counts_them(
    feed: Feed, camera: Camera, adapted: Session, pictures: Pictures
) -> None:
    feed.show(*[pictures["red"][7]] * 302)
    feed.end()
    with LiveClassifier(camera, adapted, budget_ms=1e-6) as live:
        wait_for_end(live)
        status, newest = live.status, live.newest

    assert newest is not None
    assert (status.n_answered, status.n_skipped, newest.frame.index) == (2, 300, 301)


@pytest.mark.parametrize("budget_ms", [0.0, -5.0, math.nan])
def test_a_budget_must_be_above_0(camera: Camera, adapted: Session, budget_ms: float) -> None:
    n_threads = threading.active_count()
    with pytest.raises(ValueError, match="budget_ms must be above 0, got"):
        LiveClassifier(camera, adapted, budget_ms=budget_ms)
    assert threading.active_count() == n_threads


def test_two_classifiers_may_follow_one_camera(
    feed: Feed, camera: Camera, adapted: Session, model: Model, pictures: Pictures
) -> None:
    other = model.session(bake=False)
    teach(other, pictures, "red", "grey")
    feed.show(pictures["red"][7])
    with LiveClassifier(camera, adapted) as first, LiveClassifier(camera, other) as second:
        answers = [wait(first), wait(second)]

    assert [answer.prediction and set(answer.prediction.scores) for answer in answers] == [
        {"red", "green", "blue"},
        {"red", "grey"},
    ]
