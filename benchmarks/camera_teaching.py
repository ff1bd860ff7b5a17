"""Pictures from a camera, with their classes, to teach a session with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime import Model, Session
from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.errors import CameraError

__all__ = ["Pictures", "capture_pictures", "taught", "with_classes"]

Pictures = dict[str, list[NDArray[np.uint8]]]
"""Frames of each class, BGR (H, W, 3)."""

_APART_FRAMES = 36  # a rendered scene shows a thing from another side every 1.2 s
_MOST_FRAMES_TO_CHANGE = 300
_N_CLASSES_WITHOUT_STAGE = 2


def capture_pictures(uri: str, options: CameraOptions, *, n_shot: int) -> Pictures:
    """Take pictures of everything that a camera can show.

    A rendered scene shows its things one after the other, each from several sides, as fast as it can be drawn. Any
    other camera gives two classes of whatever it sees: enough to measure times with, and nothing to count answers by.

    Args:
        uri: Address of the camera.
        options: How to read it.
        n_shot: Pictures of each class.

    Raises:
        CameraError: The camera cannot be opened, or does not show what it was told to.
    """
    with open_camera(uri, replace(options, pace="reader")) as camera:
        if camera.stage is None:
            return _pictures_of_anything(camera, n_shot)
        return {thing: _pictures_of(thing, camera, n_shot) for thing in camera.stage.things}


def _pictures_of_anything(camera: Camera, n_shot: int) -> Pictures:
    n_pictures = _N_CLASSES_WITHOUT_STAGE * n_shot
    frames = [frame.image_bgr for frame in islice(camera.frames(), n_pictures)]
    if len(frames) < n_pictures:
        raise CameraError(f"{camera.status.description} gave {len(frames)} of {n_pictures} frames; add loop=true")
    classes = range(_N_CLASSES_WITHOUT_STAGE)
    return {f"class {number + 1}": frames[number::_N_CLASSES_WITHOUT_STAGE] for number in classes}


def _pictures_of(thing: str, camera: Camera, n_shot: int) -> list[NDArray[np.uint8]]:
    assert camera.stage is not None
    camera.stage.show(thing)
    pictures: list[NDArray[np.uint8]] = []
    n_seen = 0
    for frame in islice(camera.frames(), _MOST_FRAMES_TO_CHANGE + n_shot * _APART_FRAMES):
        if frame.label != thing:
            continue
        if n_seen % _APART_FRAMES == 0:
            pictures.append(frame.image_bgr)
        if len(pictures) == n_shot:
            return pictures
        n_seen += 1
    raise CameraError(f"{camera.status.description} was told to show {thing!r} and does not")


def with_classes(pictures: Pictures, *, n_way: int, n_shot: int) -> Pictures:
    """Make up a support set of a size: the classes there are, again and again under other names.

    What adapting costs does not depend on what the pictures show.

    Args:
        pictures: At least `n_shot` of each class.
        n_way: Classes.
        n_shot: Pictures of each.
    """
    known: Sequence[list[NDArray[np.uint8]]] = list(pictures.values())
    return {f"class {index + 1}": frames[:n_shot] for index, frames in zip(range(n_way), cycle(known), strict=False)}


def taught(model: Model, pictures: Pictures) -> Session:
    """Return a session that is adapted to pictures, with its fast encoder in use.

    Raises:
        SupportError: More classes or shots than the bundle is for.
        AdaptationError: It cannot adapt to these.
    """
    session = model.session()
    for label, frames in pictures.items():
        session.add(label, frames)
    session.adapt()
    session.wait_until_baked()
    return session
