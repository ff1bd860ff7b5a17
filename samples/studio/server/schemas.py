"""Shapes of everything the API takes and gives; the OpenAPI document is made from them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

__all__ = [
    "AdaptationState",
    "CameraState",
    "Captured",
    "ClassName",
    "ClassState",
    "Limits",
    "Map",
    "MapPoint",
    "Maps",
    "ModelState",
    "SaveRequest",
    "SavedAdaptation",
    "ShotState",
    "StageRequest",
    "StageState",
    "State",
    "Status",
]

Status = Literal["none", "stale", "adapting", "ready", "failed"]
"""`none`: not enough to adapt to; `stale`: changed, and no longer enough; `ready`: what is shown is in force."""

Place = Annotated[float, Meta(ge=-1, le=1)]
Share = Annotated[float, Meta(ge=0, le=1)]


class ShotState(Struct, frozen=True):
    """One picture that a class was shown with.

    Attributes:
        id: Its number, for `/api/shots/{shot_id}`.
    """

    id: int


class ClassState(Struct, frozen=True):
    """One thing to tell apart.

    Attributes:
        id: Stable over renames.
        name: As people call it.
        shots: Its pictures, oldest first; may be empty.
        colour_index: Number of its colour, from 0; different for all classes.
    """

    id: str
    name: str
    shots: list[ShotState]
    colour_index: int


class AdaptationState(Struct, frozen=True):
    """Where the session stands.

    Attributes:
        status: See `Status`.
        adapt_ms: How long the last adaptation took; null before the first, and for one that was loaded.
        timings_ms: Its parts.
        step_size: Euler step size in force; 0 means that adapting would not have helped.
        accuracy_before: Leave-one-out accuracy of the support without adapting; null when no class has two shots.
        accuracy_after: The same with the theta in force.
        notes: Reasons to trust the result less.
        error: Why adapting failed.
    """

    status: Status
    adapt_ms: float | None
    timings_ms: dict[str, float]
    step_size: float | None
    accuracy_before: Share | None
    accuracy_after: Share | None
    notes: list[str]
    error: str | None


class Limits(Struct, frozen=True):
    """What can be taken in.

    Attributes:
        max_ways: Most classes, by the bundle.
        max_support: Most shots of all classes together, by the bundle.
        upload_bytes: Largest image file.
        upload_pixels: Most pixels of an uploaded image.
    """

    max_ways: int
    max_support: int
    upload_bytes: int
    upload_pixels: int


class CameraState(Struct, frozen=True):
    """How the camera is doing.

    Attributes:
        state: connecting, live, reconnecting, ended, failed or closed.
        description: Its address, without password.
        width: Of the frames, in pixels; 0 before the first.
        height: Likewise.
        fps: Frames a second that arrived, over the last seconds.
        n_dropped: Frames that nobody looked at.
        n_reconnects: Times it came back.
        last_error: What is wrong, and the next move; null when nothing is.
        is_rendered: Whether it is a rendered scene, and `/api/stage` works.
    """

    state: Literal["connecting", "live", "reconnecting", "ended", "failed", "closed"]
    description: str
    width: int
    height: int
    fps: float
    n_dropped: int
    n_reconnects: int
    last_error: str | None
    is_rendered: bool


class ModelState(Struct, frozen=True):
    """What computes.

    Attributes:
        name: Of the bundle.
        backend: With its device.
        notes: Why it is not a faster backend.
    """

    name: str
    backend: str
    notes: list[str]


class State(Struct, frozen=True):
    """Everything but the live answers.

    Attributes:
        version: Grows with every change.
        classes: In the order in which they were made.
        adaptation: Where the session stands.
        can_undo: Whether there is anything to take back.
        waiting_shots: Shots that were taken and not yet encoded.
        limits: What can be taken in.
        camera: How the camera is doing.
        model: What computes.
        adaptation_name: Name under which the session was saved or loaded last.
    """

    version: int
    classes: list[ClassState]
    adaptation: AdaptationState
    can_undo: bool
    waiting_shots: int
    limits: Limits
    camera: CameraState
    model: ModelState
    adaptation_name: str | None


class ClassName(Struct, frozen=True, forbid_unknown_fields=True):
    """Name for a class, 1 to 80 printable characters."""

    name: str


class Captured(Struct, frozen=True):
    """The shot that was added."""

    shot_id: int


class SaveRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Save the session under a name; an older file of that name is replaced with `overwrite` alone."""

    name: str
    overwrite: bool = False


class SavedAdaptation(Struct, frozen=True):
    """One saved adaptation.

    Attributes:
        name: Without `.adaptation`.
        size_bytes: Of the file.
        saved_at: ISO 8601, UTC.
        classes: Names of its classes.
        problem: Why it cannot be loaded here; null when it can.
    """

    name: str
    size_bytes: int
    saved_at: str
    classes: list[str]
    problem: str | None


class StageState(Struct, frozen=True):
    """What the rendered scene shows.

    Attributes:
        things: All that it can show.
        shown: The thing to be seen now; null for the empty desk.
        in_turn: Whether it shows one thing after the other.
    """

    things: list[str]
    shown: str | None
    in_turn: bool


class StageRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Show one thing, the empty desk (`shown` null), or one thing after the other (`in_turn` true)."""

    shown: str | UnsetType | None = UNSET
    in_turn: bool = False


class MapPoint(Struct, frozen=True):
    """One shot on the map."""

    shot_id: int
    class_id: str
    x: Place
    y: Place


class Map(Struct, frozen=True):
    """The support's features in two dimensions.

    Attributes:
        points: One a shot.
        explained: Share of the variance along x and y.
    """

    points: list[MapPoint]
    explained: tuple[Share, Share]


class Maps(Struct, frozen=True):
    """The map without adapting, and with the theta in force; null where there is none."""

    before: Map | None
    after: Map | None


def encoded(value: object) -> bytes:
    """Return a value as JSON."""
    return msgspec.json.encode(value)
