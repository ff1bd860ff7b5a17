"""Smoothing: steady answers from unsteady predictions, whatever the frame rate."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperflow_runtime import Prediction
from hyperflow_runtime.live.smoothing import SmoothedAnswer, Smoother

LABELS = ("mug", "pen", "key")


def prediction(scores: dict[str, float], *, unknown: bool = False) -> Prediction:
    best = max(scores, key=scores.__getitem__)
    return Prediction(None if unknown else best, scores[best], scores, 0.9, 0.5, np.zeros(2, np.float32))


def sure(label: str, *, unknown: bool = False, labels: Sequence[str] = LABELS) -> Prediction:
    return prediction({name: float(name == label) for name in labels}, unknown=unknown)


def fed(smoother: Smoother, *predictions: Prediction, from_s: float = 0.0, every_s: float = 0.1) -> SmoothedAnswer:
    answers = [smoother.update(each, from_s + index * every_s) for index, each in enumerate(predictions)]
    return answers[-1]


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    labels = draw(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True))
    weights = draw(st.lists(st.floats(1e-6, 1.0), min_size=len(labels), max_size=len(labels)))
    scores = {label: weight / sum(weights) for label, weight in zip(labels, weights, strict=True)}
    return prediction(scores, unknown=draw(st.booleans()))


streams = st.lists(st.tuples(predictions(), st.floats(0, 5)), min_size=1, max_size=30)


def test_the_first_answer_is_the_first_prediction() -> None:
    answer = Smoother().update(sure("mug"), 3.0)

    assert (answer.label, answer.probability, answer.since_s, answer.changed) == ("mug", 1.0, 3.0, True)
    assert answer.scores == {"mug": 1.0, "pen": 0.0, "key": 0.0}


def test_one_odd_frame_changes_no_label() -> None:
    answer = fed(Smoother(half_life_s=0.2, hold_s=0.0), *[sure("mug")] * 5, sure("pen"), every_s=0.033)

    assert answer.label == "mug"
    assert not answer.changed
    assert 0 < answer.scores["pen"] < 0.5


def test_a_label_changes_once_another_has_led_for_as_long_as_asked() -> None:
    smoother = Smoother(half_life_s=0.0, hold_s=0.25)
    smoother.update(sure("mug"), 0.0)

    labels = [smoother.update(sure("pen"), at_s).label for at_s in (0.1, 0.2, 0.3, 0.4, 0.5)]

    assert labels == ["mug", "mug", "mug", "pen", "pen"]


def test_a_label_that_came_back_in_time_starts_the_wait_again() -> None:
    smoother = Smoother(half_life_s=0.0, hold_s=0.25)
    fed(smoother, sure("mug"), sure("pen"), sure("pen"), sure("mug"))

    labels = [smoother.update(sure("pen"), at_s).label for at_s in (0.4, 0.5, 0.6, 0.7)]

    assert labels == ["mug", "mug", "mug", "pen"]


def test_an_old_prediction_counts_half_after_the_half_life_however_many_frames_came() -> None:
    few, many = Smoother(half_life_s=0.25), Smoother(half_life_s=0.25)
    for smoother in (few, many):
        smoother.update(sure("mug"), 0.0)

    after_few = few.update(sure("pen"), 0.25)
    after_many = fed(many, *[sure("pen")] * 10, from_s=0.025, every_s=0.025)

    assert after_few.scores["mug"] == pytest.approx(0.5)
    assert after_many.scores["mug"] == pytest.approx(0.5)


def test_unknown_takes_more_than_half_of_the_recent_time() -> None:
    smoother = Smoother(half_life_s=0.2, hold_s=0.0)
    smoother.update(sure("mug"), 0.0)

    before = smoother.update(sure("mug", unknown=True), 0.19)
    after = smoother.update(sure("mug", unknown=True), 0.21)

    assert (before.label, after.label) == ("mug", None)
    assert before.unknown_share < 0.5 < after.unknown_share
    assert after.changed


def test_a_removed_class_leaves_at_once() -> None:
    smoother = Smoother(hold_s=10.0)
    smoother.update(sure("mug"), 0.0)

    answer = smoother.update(prediction({"pen": 0.75, "key": 0.25}), 0.01)

    assert answer.label == "pen"
    assert answer.scores == pytest.approx({"pen": 0.75, "key": 0.25})


def test_a_new_class_enters_with_its_own_score() -> None:
    smoother = Smoother(half_life_s=1.0)
    smoother.update(prediction({"mug": 1.0}), 0.0)

    scores = smoother.update(prediction({"mug": 0.4, "pen": 0.6}), 0.01).scores

    assert set(scores) == {"mug", "pen"}
    assert scores["pen"] > 0.3


def test_after_a_reset_nothing_is_remembered() -> None:
    smoother = Smoother(half_life_s=10.0, hold_s=10.0)
    smoother.update(sure("mug"), 0.0)
    smoother.reset()

    answer = smoother.update(sure("pen"), 0.1)

    assert (answer.label, answer.probability, answer.since_s, answer.changed) == ("pen", 1.0, 0.1, True)


def test_a_clock_that_goes_back_counts_as_one_that_stands_still() -> None:
    smoother = Smoother()
    before = smoother.update(sure("mug"), 5.0)

    assert smoother.update(sure("pen"), 1.0).scores == before.scores


@given(streams, st.floats(0, 2), st.floats(0, 2))
def test_scores_are_shares_of_the_newest_classes(
    stream: list[tuple[Prediction, float]], half_life_s: float, hold_s: float
) -> None:
    smoother, at_s = Smoother(half_life_s=half_life_s, hold_s=hold_s), 0.0
    label: str | None = None
    for number, (each, step_s) in enumerate(stream):
        at_s += step_s
        answer = smoother.update(each, at_s)
        assert set(answer.scores) == set(each.scores)
        assert sum(answer.scores.values()) == pytest.approx(1.0)
        assert all(0 <= score <= 1 + 1e-9 for score in answer.scores.values())
        assert answer.probability == max(answer.scores.values())
        assert -1e-9 <= answer.unknown_share <= 1 + 1e-9
        assert answer.label is None or answer.label in each.scores
        assert answer.changed == (number == 0 or answer.label != label)
        assert answer.since_s <= at_s
        label = answer.label


@given(predictions(), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_what_stays_the_same_is_answered_as_it_is(each: Prediction, steps_s: list[float]) -> None:
    smoother = Smoother()
    for at_s in np.cumsum(steps_s).tolist():
        answer = smoother.update(each, at_s)
        assert answer.scores == pytest.approx(each.scores)
        assert answer.label == each.label
        assert answer.unknown_share == (each.label is None)


@pytest.mark.parametrize("times", [{"half_life_s": -0.1}, {"hold_s": 61}, {"half_life_s": float("nan")}])
def test_times_out_of_range_are_refused(times: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be 0\.\.60 seconds, got"):
        Smoother(**times)


def test_another_thread_may_reset_it_at_any_time() -> None:
    smoother, done = Smoother(), threading.Event()

    def reset() -> None:
        while not done.is_set():
            smoother.reset()

    thread = threading.Thread(target=reset)
    thread.start()
    try:
        for number in range(2000):
            assert smoother.update(sure(LABELS[number % 3]), number / 30).label in (*LABELS, None)
    finally:
        done.set()
        thread.join()
