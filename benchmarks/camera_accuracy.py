"""How often a session that follows a rendered scene is right, and how often it sees that a thing was never taught."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from camera_costs import answers_of
from camera_teaching import Pictures, taught

from hyperflow_runtime import Model, Session
from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.live.answer import LiveAnswer
from hyperflow_runtime.live.classifying import LiveClassifier
from hyperflow_runtime.live.smoothing import Smoother

__all__ = ["Accuracy", "Untaught", "count_right_answers", "count_untaught"]


class Accuracy(msgspec.Struct, frozen=True):
    """How often answers were right, of the frames that showed a thing; nothing of it is a test on unseen things.

    Attributes:
        n_frames: Frames that showed a thing, and were answered.
        adapted: Share whose most probable class was right, in 0..1.
        direct: The same without adapting.
        smoothed: Share whose smoothed label was right; "unknown" is wrong, and so is a label that comes late.
    """

    n_frames: int
    adapted: float
    direct: float
    smoothed: float


class Untaught(msgspec.Struct, frozen=True):
    """Frames that showed a thing which the session was never taught, while it knew all the others.

    Attributes:
        n_frames: How many were answered.
        unknown: Share that was answered "unknown", in 0..1.
        smoothed: The same of smoothed answers.
    """

    n_frames: int
    unknown: float
    smoothed: float


def count_right_answers(camera: Camera, session: Session, *, seconds: float) -> Accuracy | None:
    """Follow a rendered scene that shows its things in turn.

    Returns:
        None where the camera does not know what it shows.
    """
    if camera.stage is None:
        return None
    camera.stage.show_in_turn()
    with LiveClassifier(camera, session, smoother=Smoother(), compare=True) as live:
        shown = [answer for answer in answers_of(live, seconds) if answer.frame.label]
    if not shown:
        return None
    adapted = [answer.prediction is not None and answer.prediction.best == answer.frame.label for answer in shown]
    direct = [answer.direct is not None and answer.direct.best == answer.frame.label for answer in shown]
    smoothed = [answer.smoothed is not None and answer.smoothed.label == answer.frame.label for answer in shown]
    return Accuracy(len(shown), _share(adapted), _share(direct), _share(smoothed))


def count_untaught(camera: Camera, model: Model, pictures: Pictures, *, seconds: float) -> Untaught | None:
    """Show each thing of a rendered scene to a session that knows all the others.

    Args:
        camera: Shows the things of `pictures`.
        model: Of the bundle.
        pictures: To teach with.
        seconds: For all things together.

    Returns:
        None where the camera does not know what it shows, or shows fewer than three things.
    """
    if camera.stage is None or len(pictures) < 3:
        return None
    answers: list[LiveAnswer] = []
    for thing in pictures:
        session = taught(model, {label: frames for label, frames in pictures.items() if label != thing})
        camera.stage.show(thing)
        _wait_for(thing, camera)
        with LiveClassifier(camera, session, smoother=Smoother()) as live:
            answers += [answer for answer in answers_of(live, seconds / len(pictures)) if answer.frame.label == thing]
    unknown = [answer.prediction is not None and answer.prediction.label is None for answer in answers]
    smoothed = [answer.smoothed is not None and answer.smoothed.label is None for answer in answers]
    return Untaught(len(answers), _share(unknown), _share(smoothed)) if answers else None


def _wait_for(thing: str, camera: Camera) -> None:
    """Return when a thing is seen: what was there before must not colour the first smoothed answers."""
    for frame in camera.frames():
        if frame.label == thing:
            return


def _share(are_so: Sequence[bool]) -> float:
    return float(np.mean(are_so))
