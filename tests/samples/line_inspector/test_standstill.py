"""When the watchdog is fed, and when it is not: a quiet line is no standstill, failing frames are one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hyperflow_runtime.cameras.captured import CapturedFrame
from hyperflow_runtime.live.classifying import LiveAnswer
from inspection import progress
from inspection.inspector import Inspector


class Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


class Manager:
    """Counts what systemd would hear."""

    def __init__(self) -> None:
        self.n_fed = 0

    def alive(self, status: str) -> None:
        self.n_fed += 1


class Line:
    """An inspector whose camera and answers a test decides, second by second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.manager = Clock(), Manager()
        monkeypatch.setattr(progress, "time", self.clock)
        self.camera = SimpleNamespace(
            newest=None, is_stuck=False, status=SimpleNamespace(state="live", description="a camera", fps=30.0)
        )
        parts: Any = SimpleNamespace(
            camera=self.camera, manager=self.manager, labels=SimpleNamespace(label=None, update=lambda answer: None)
        )
        self.inspector = Inspector(parts, heartbeat_s=1e9)
        self.index = 0

    def second(self, *, answer: str | None) -> bool:
        """A frame comes, and is answered with an error, with "" for a good answer, or not at all; whether it is fed."""
        self.clock.now_s += 1.0
        frame = CapturedFrame(np.zeros((2, 2, 3), np.uint8), self.index, self.clock.now_s, None)
        self.camera.newest, self.index = frame, self.index + 1
        if answer is not None:
            self.inspector._after = frame.index
            timings = {"total": 1.0}
            self.inspector._take(LiveAnswer(frame, None, None, None, None, timings, self.clock.now_s, answer or None))
        return self.beat()

    def beat(self) -> bool:
        n_fed = self.manager.n_fed
        self.inspector._beat()
        return self.manager.n_fed > n_fed


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    return Line(monkeypatch)


def test_good_answers_feed_the_watchdog(line: Line) -> None:
    assert all(line.second(answer="") for _ in range(100))


@pytest.mark.parametrize("answer", ["CUDA failed", None])
def test_half_a_minute_of_failures_or_without_an_answer_does_not(line: Line, answer: str | None) -> None:
    assert line.second(answer="")

    fed = [line.second(answer=answer) for _ in range(60)]

    assert all(fed[:29])
    assert not any(fed[31:])
    assert line.second(answer="")


@pytest.mark.parametrize("state", ["reconnecting", "connecting"])
def test_a_camera_that_is_away_is_no_standstill(line: Line, state: str) -> None:
    line.second(answer="a frame that failed")
    line.camera.status.state = state

    for _ in range(100):
        line.clock.now_s += 1.0
        assert line.beat()


def test_a_line_without_new_frames_is_no_standstill(line: Line) -> None:
    line.second(answer="")

    for _ in range(100):
        line.clock.now_s += 1.0
        assert line.beat()


def test_a_driver_that_swallows_every_thread_is_one(line: Line) -> None:
    line.camera.status.state, line.camera.is_stuck = "reconnecting", True

    fed = []
    for _ in range(60):
        line.clock.now_s += 1.0
        fed.append(line.beat())

    assert all(fed[:29])
    assert not any(fed[31:])
