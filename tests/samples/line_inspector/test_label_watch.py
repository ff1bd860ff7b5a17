"""The label that holds: the first one, and each change."""

from __future__ import annotations

import numpy as np
import pytest

from hyperflow_runtime.cameras.captured import CapturedFrame
from hyperflow_runtime.live.classifying import LiveAnswer
from hyperflow_runtime.results import Prediction
from inspection.label_watch import LabelWatch, Origin
from line_events.stamping import Stamper

FPS = 30.0


def watch(hold_s: float = 0.3) -> LabelWatch:
    return LabelWatch(Stamper("test"), Origin("a.adaptation", "tiny"), None, hold_s=hold_s, every_s=10.0)


def seen(watched: LabelWatch, *labels: str | None, first: int = 0) -> list[tuple[float, str | None]]:
    """When which label made an event, in seconds, after frames that show these things."""
    events = []
    for index, label in enumerate(labels, start=first):
        scores = {name: 0.9 if name == label else 0.05 for name in ("mug", "pen", "key")}
        prediction = Prediction(label, max(scores.values()), scores, 0.9, 0.5, np.zeros(4, np.float32))
        frame = CapturedFrame(np.zeros((2, 2, 3), np.uint8), index, index / FPS, None)
        event = watched.update(LiveAnswer(frame, prediction, None, None, None, {"total": 1.0}, index / FPS, None))
        if event is not None:
            events.append((round(index / FPS, 2), event.label))
    return events


def test_the_first_label_counts_once_it_has_held() -> None:
    assert seen(watch(), *["mug"] * 60) == [(0.3, "mug")]


@pytest.mark.parametrize("stray", ["mug", None])
def test_a_first_frame_that_shows_something_else_makes_no_event(stray: str | None) -> None:
    (event,) = seen(watch(), stray, *["pen"] * 60)

    assert event[1] == "pen"
    assert 0.3 < event[0] < 0.7


def test_after_a_gap_the_first_frame_is_not_believed_either() -> None:
    watched = watch()
    seen(watched, *["mug"] * 30)
    watched.forget()

    (event,) = seen(watched, "key", *["mug"] * 60, first=100)

    assert event[1] == "mug"


def test_without_a_hold_each_frame_counts() -> None:
    assert seen(watch(0.0), "mug", "mug") == [(0.0, "mug")]


def test_things_that_flicker_make_no_event() -> None:
    assert seen(watch(0.5), *([*["mug"] * 6, *["pen"] * 6] * 20)) == []
