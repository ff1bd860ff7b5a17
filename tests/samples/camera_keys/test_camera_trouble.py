"""A camera that goes away: the run goes on with the last frame, and says so."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import EndOfSource, SourceFrame
from hyperflow_runtime.errors import CameraError

Load = Callable[[str], ModuleType]


class LooseCable:
    """A lens that gives two frames, goes away, comes back for two more, and is over."""

    description, is_live, stage, nominal_fps = "a loose cable", True, None, None

    def __init__(self) -> None:
        self._n_read = 0

    def open(self) -> None:
        pass

    def read(self) -> SourceFrame:
        self._n_read += 1
        if self._n_read == 3:
            raise CameraError("the cable is loose; push it in")
        if self._n_read > 5:
            raise EndOfSource
        return SourceFrame(np.full((48, 64, 3), self._n_read, np.uint8))

    def close(self) -> None:
        pass


def test_there_are_ticks_with_the_reason_while_the_camera_is_gone(load: Load) -> None:
    with Camera(LooseCable, CameraOptions(warm_up_frames=0)) as camera:
        ticks = list(load("ticking").ticks(camera, fps=None))

    lost = [tick for tick in ticks if tick.trouble is not None]
    assert lost
    assert all(tick.trouble == "the cable is loose; push it in" and not tick.is_new for tick in lost)
    assert {int(tick.frame.image_bgr[0, 0, 0]) for tick in lost} == {2}
    times = [tick.at_s for tick in ticks]
    assert times == sorted(times)
    assert int(ticks[-1].frame.image_bgr[0, 0, 0]) == 5


def test_a_camera_that_is_gone_for_good_is_an_error(load: Load) -> None:
    with Camera(LooseCable, CameraOptions(warm_up_frames=0, reconnect=False)) as camera:
        with pytest.raises(CameraError, match="push it in"):
            list(load("ticking").ticks(camera, fps=None))
