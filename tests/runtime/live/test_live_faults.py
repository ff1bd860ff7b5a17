"""What goes wrong around a live classifier: frames, sessions and cameras that fail, ends and closing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import Session, open_bundle
from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import EndOfSource
from hyperflow_runtime.errors import CameraError
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


def trouble(live: LiveClassifier, after: int = -1) -> str:
    """Why no newer frame comes, once there is a reason."""
    for _ in range(600):
        try:
            live.wait(after, timeout_s=0.05)
        except CameraError as error:
            if "no new frame" not in str(error):
                return str(error)
    pytest.fail("the camera is well")


def wait_for_end(live: LiveClassifier) -> None:
    with pytest.raises(EndOfSource):
        wait(live, after=10**9)


def test_a_frame_that_fails_is_told_and_the_next_one_is_answered_again(
    feed: Feed, camera: Camera, tiny_bundle: Path, pictures: Pictures
) -> None:
    with open_bundle(tiny_bundle, n_threads=1) as closing:
        session = closing.session(bake=False)
        teach(session, pictures, "red", "blue")
        with LiveClassifier(camera, session, smoother=Smoother()) as live:
            closing.close()
            feed.show(pictures["red"][7])
            first = wait(live)
            feed.show(pictures["red"][7])
            second = wait(live, first.frame.index)
            assert live.status.last_error == second.error

    for answer in (first, second):
        assert answer.prediction is None
        assert answer.error == "the model is closed; open the bundle again"


class Broken(Smoother):
    """A smoother with a mistake in it."""

    def update(self, *_: object) -> Any:
        raise ZeroDivisionError("a mistake")


def test_a_mistake_in_a_smoother_of_ones_own_does_not_end_the_stream(
    feed: Feed, camera: Camera, adapted: Session, pictures: Pictures
) -> None:
    feed.show(*pictures["red"])
    feed.end()
    with LiveClassifier(camera, adapted, smoother=Broken()) as live:
        wait_for_end(live)
        assert live.status.n_answered == 8
        assert live.newest is not None
        assert live.newest.error is not None
        assert "a mistake" in live.newest.error


def test_the_last_answer_comes_before_the_end(feed: Feed, camera: Camera, adapted: Session, pictures: Pictures) -> None:
    feed.show(pictures["red"][7])
    feed.end()
    with LiveClassifier(camera, adapted) as live:
        assert wait(live).frame.index == 0
        with pytest.raises(EndOfSource, match="a feed is over"):
            wait(live, after=0)
        assert wait(live, after=-1).frame.index == 0


def test_waiting_too_long_says_what_the_camera_does(camera: Camera, adapted: Session) -> None:
    with LiveClassifier(camera, adapted) as live, pytest.raises(CameraError, match="no new frame of a feed within 0"):
        live.wait(timeout_s=0.01)


def test_a_camera_that_comes_back_is_answered_again(
    live_feed: Feed, unsteady_camera: Camera, adapted: Session, pictures: Pictures
) -> None:
    with LiveClassifier(unsteady_camera, adapted) as live:
        live_feed.show(pictures["red"][7])
        first = wait(live)
        live_feed.fail(CameraError("the cable is out"))
        assert "the cable is out" in trouble(live, first.frame.index)
        live_feed.show(pictures["blue"][7])
        second = wait(live, first.frame.index)

    assert second.prediction is not None
    assert second.prediction.best == "blue"


def test_a_camera_that_failed_for_good_is_told_to_whoever_waits(adapted: Session, feed: Feed) -> None:
    with (
        Camera(lambda: feed, CameraOptions(reconnect=False)) as camera,
        LiveClassifier(camera, adapted) as live,
    ):
        feed.fail(CameraError("the lens is gone"))
        assert "the lens is gone" in trouble(live)


def test_closing_wakes_those_who_wait_and_leaves_the_camera_open(
    feed: Feed, camera: Camera, adapted: Session, pictures: Pictures
) -> None:
    live = LiveClassifier(camera, adapted)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(live.wait, timeout_s=60.0) for _ in range(2)]
        live.close()
        for future in waiting:
            with pytest.raises(CameraError, match="the live classifier is closed; make a new one"):
                future.result(timeout=30)
    live.close()
    feed.show(pictures["red"][7])

    assert camera.read(timeout_s=30.0).index == 0
