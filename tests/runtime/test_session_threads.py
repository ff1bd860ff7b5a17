"""Threads: predictions during edits and adaptations are always those of one whole adaptation."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import AdaptationError, BackendError, Model, Prediction, Session, open_bundle

Pictures = dict[str, list[NDArray[np.uint8]]]
COLOURS = ("red", "green", "blue")


def stage(session: Session, pictures: Pictures, index: int) -> None:
    """One more shot of every colour, and another adaptation."""
    for label in COLOURS:
        session.add(label, pictures[label][index])
    session.adapt(step_size=0.25 * index)


def is_one_of(answer: Prediction, expected: list[Prediction]) -> bool:
    scores = list(answer.scores.values())
    return any(
        answer.label == other.label
        and answer.unknown_threshold == pytest.approx(other.unknown_threshold, abs=1e-5)
        and scores == pytest.approx(list(other.scores.values()), abs=1e-5)
        for other in expected
    )


def predict_until(session: Session, frame: NDArray[np.uint8], done: threading.Event) -> list[Prediction]:
    answers: list[Prediction] = []
    while not done.is_set() or not answers:
        answers.append(session.predict(frame))
    return answers


@pytest.mark.parametrize("bake", [False, True])
def test_predictions_during_adaptations_are_those_of_one_adaptation(
    model: Model, pictures: Pictures, bake: bool
) -> None:
    frames = [pictures[label][7] for label in COLOURS]
    alone, shared = model.session(bake=False), model.session(bake=bake)
    expected: list[list[Prediction]] = []
    for index in range(7):
        stage(alone, pictures, index)
        expected.append(alone.predict_batch(frames))
    stage(shared, pictures, 0)

    done = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(predict_until, shared, frame, done) for frame in frames]
        try:
            for index in range(1, 7):
                stage(shared, pictures, index)
        finally:
            done.set()
        answers = [future.result() for future in futures]

    for column, given in enumerate(answers):
        possible = [row[column] for row in expected]
        assert all(is_one_of(answer, possible) for answer in given)
    assert all(is_one_of(shared.predict(frame), [last]) for frame, last in zip(frames, expected[-1], strict=True))


def test_edits_of_several_threads_are_all_made(model: Model, pictures: Pictures) -> None:
    session = model.session()
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(session.add, label, pictures[label][index]) for index in range(8) for label in COLOURS]
        shot_ids = [future.result() for future in futures]

    assert sorted(shot_ids) == list(range(24))
    assert dict(sorted(session.n_shots.items())) == {"blue": 8, "green": 8, "red": 8}
    session.adapt()
    for _ in range(24):
        session.undo()
    assert session.n_shots == {}


def edit(session: Session, pictures: Pictures) -> None:
    for index in range(1, 6):
        shot_id = session.add("red", pictures["red"][index])
        session.rename_class("green", "verde")
        session.rename_class("verde", "green")
        session.remove(shot_id)
        session.undo()


def adapt(session: Session, _: Pictures) -> None:
    for step_size in (None, 0.0, 0.5, None, 1.0):
        session.adapt(step_size=step_size)


def predict(session: Session, pictures: Pictures) -> None:
    for index in range(15):
        answer = session.predict(pictures["blue"][index % 8], allow_unknown=False)
        assert set(answer.scores) in ({"red", "green", "blue"}, {"red", "verde", "blue"})
        assert sum(answer.scores.values()) == pytest.approx(1.0, abs=1e-5)


def look(session: Session, _: Pictures) -> None:
    for _repeat in range(50):
        assert set(session.n_shots) >= {"red", "blue"}
        session.wait_until_baked()


def test_every_method_from_every_thread_raises_nothing_unexpected(model: Model, pictures: Pictures) -> None:
    session = model.session()
    stage(session, pictures, 0)
    barrier = threading.Barrier(4)

    def run(work: Callable[[Session, Pictures], None]) -> None:
        barrier.wait(timeout=30)
        work(session, pictures)

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(run, work) for work in (edit, adapt, predict, look)]:
            future.result()

    assert session.n_shots == {"red": 6, "green": 1, "blue": 1}
    session.adapt()
    assert session.predict(pictures["green"][7], allow_unknown=False).label == "green"


def test_closing_while_predicting_ends_in_one_clear_error(tiny_bundle: Path, pictures: Pictures) -> None:
    closing = open_bundle(tiny_bundle, n_threads=1)
    session = closing.session()
    stage(session, pictures, 0)
    started = threading.Event()

    def predict_for_ever() -> None:
        while True:
            session.predict(pictures["red"][7])
            started.set()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(predict_for_ever)
        assert started.wait(timeout=30)
        closing.close()
        with pytest.raises(BackendError, match="the model is closed; open the bundle again"):
            future.result(timeout=30)


EXIT_AT_ONCE = """
import sys
import numpy as np
from hyperflow_runtime import open_bundle

session = open_bundle(sys.argv[1]).session()
frames = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3)).astype(np.uint8)
session.add("a", frames[:2])
session.add("b", frames[2:])
session.adapt()
if sys.argv[2] == "raise":
    raise SystemExit(0)
if sys.argv[2] == "close":
    session._backend.close()
"""


@pytest.mark.parametrize("ending", ["return", "raise", "close"])
def test_a_process_that_ends_right_after_adapting_ends_well(
    tiny_bundle: Path, run_python: Callable[..., subprocess.CompletedProcess[str]], ending: str
) -> None:
    ended = run_python(EXIT_AT_ONCE, tiny_bundle, ending)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_thread_that_waits_for_an_adaptation_gets_the_promised_error_until_then(
    model: Model, pictures: Pictures
) -> None:
    session = model.session()
    refused = threading.Event()

    def predict_when_ready() -> Prediction:
        while True:
            try:
                return session.predict(pictures["red"][7])
            except AdaptationError:
                refused.set()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(predict_when_ready)
        assert refused.wait(timeout=30)
        stage(session, pictures, 0)
        assert future.result(timeout=30).best == "red"
