"""A rendered desk as a source of frames."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hyperflow_runtime.cameras.source import SourceFrame, Stage
from hyperflow_runtime.cameras.synthetic.handheld import hand_pose, kept_pose
from hyperflow_runtime.cameras.synthetic.painting import FramePainter
from hyperflow_runtime.cameras.synthetic.scene_options import SceneOptions
from hyperflow_runtime.cameras.synthetic.stage import DeskStage, Showing
from hyperflow_runtime.cameras.synthetic.views import EMPTY_DESK, view_files

__all__ = ["SyntheticSource"]

_FPS = 30.0
_SIZE_PX = (640, 480)
_SIDES_PX = (64, 1920)
_VIEW_S = 1.2
_ORDER_KEY = 2


class SyntheticSource:
    """One thing at a time on a desk, seen by a camera in a hand.

    Frame n is always the same for the same options and the same calls of the stage before it, whatever the clock says.
    A thing is seen from more than a dozen places, each for a little more than a second, in another order at each
    showing.
    """

    def __init__(
        self, target: str, *, fps: float | None, width: int | None, height: int | None, options: Mapping[str, str]
    ) -> None:
        """Check the address; nothing is drawn before `open`.

        Args:
            target: "desk", or nothing.
            fps: Frames a second; None for 30.
            width: Of the frames, pixels; None for 640. Rounded to 64..1920.
            height: Likewise; None for 480.
            options: See `SceneOptions`.

        Raises:
            CameraError: No such scene, thing or option, or a value that is out of range.
        """
        self._options = SceneOptions.parsed(target, options)
        self._fps = _FPS if fps is None else fps
        sides = (width or _SIZE_PX[0], height or _SIZE_PX[1])
        self._width, self._height = (min(max(side, _SIDES_PX[0]), _SIDES_PX[1]) for side in sides)
        self._stage = DeskStage(
            self._options.things,
            dwell_frames=max(1, round(self._options.dwell_s * self._fps)),
            empty_frames=round(self._options.empty_s * self._fps),
        )
        self._painter: FramePainter | None = None

    @property
    def description(self) -> str:
        return "a rendered desk"

    @property
    def is_live(self) -> bool:
        return False

    @property
    def nominal_fps(self) -> float | None:
        return self._fps

    @property
    def stage(self) -> Stage | None:
        return self._stage

    def open(self) -> None:
        self._painter = FramePainter(self._width, self._height, self._options.seed)
        self._stage.rewind()

    def read(self) -> SourceFrame:
        if self._painter is None:
            self.open()
        assert self._painter is not None
        number, showing = self._stage.next_frame()
        turn = (number - showing.first_frame) // max(1, round(_VIEW_S * self._fps))
        pose = kept_pose(self._options.seed, showing.number, turn).then(
            hand_pose(self._options.seed, number / self._fps)
        )
        return SourceFrame(self._painter.frame(self._view(showing, turn), pose, number), showing.thing or "")

    def _view(self, showing: Showing, turn: int) -> str:
        """Return the view that comes at a turn, 0 or more, of a showing: all of them, then all in another order."""
        views = view_files()[showing.thing or EMPTY_DESK]
        round_number, place = divmod(turn, len(views))
        order = np.random.default_rng([self._options.seed, _ORDER_KEY, showing.number, round_number])
        return views[int(order.permutation(len(views))[place])]

    def close(self) -> None:
        self._painter = None
