"""What a camera's states mean for the line."""

from __future__ import annotations

from hyperflow_runtime.cameras.captured import CameraState, CameraStatus
from inspection.camera_watch import Back, CameraWatch, Lost


def status(state: CameraState, *, n_reconnects: int = 0, error: str | None = None) -> CameraStatus:
    return CameraStatus(state, "/dev/video0", 640, 480, 30.0, 100, 0, n_reconnects, error)


def test_a_camera_that_goes_and_comes_back_is_told_twice() -> None:
    watch = CameraWatch(0.0)

    assert watch.update(status("live"), 1.0) == []
    assert watch.update(status("reconnecting", error="unplugged"), 2.0) == [Lost("unplugged")]
    assert watch.update(status("reconnecting", error="unplugged"), 3.0) == []
    assert watch.update(status("live", n_reconnects=1), 5.0) == [Back(3.0)]
    assert watch.update(status("live", n_reconnects=1), 6.0) == []
    assert watch.n_losses == 1


def test_a_camera_that_went_and_came_between_two_looks_did_both() -> None:
    watch = CameraWatch(0.0)
    watch.update(status("live"), 1.0)

    lost, back = watch.update(status("live", n_reconnects=1), 2.0)

    assert (lost, back) == (Lost("/dev/video0 gave no pictures for a moment"), Back(0.0))


def test_a_camera_that_takes_its_time_at_the_start_is_not_lost_and_one_that_never_comes_is() -> None:
    watch = CameraWatch(0.0)

    assert watch.update(status("connecting", error="busy"), 9.0) == []
    assert watch.update(status("connecting", error="busy"), 11.0) == [Lost("busy")]
    assert watch.update(status("live"), 12.0) == [Back(12.0)]


def test_a_file_that_is_over_is_not_lost_and_one_that_fails_is_at_once() -> None:
    assert CameraWatch(0.0).update(status("ended"), 1.0) == []
    assert CameraWatch(0.0).update(status("failed", error="no such file"), 0.1) == [Lost("no such file")]
