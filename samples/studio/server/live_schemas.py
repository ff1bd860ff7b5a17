"""Messages of the WebSocket `/api/live`."""

from __future__ import annotations

from msgspec import Struct

from server.schemas import CameraState, Place, Share, State

__all__ = [
    "Answer",
    "CameraMessage",
    "ClientMessage",
    "LiveMap",
    "LiveMessage",
    "Ready",
    "SavedMessage",
    "StateMessage",
    "View",
]


class Answer(Struct, frozen=True):
    """What is to be seen.

    Attributes:
        label: Name of the class; null for "unknown", and while nothing was learned.
        class_id: Its id.
        unknown: Whether it looks like none of the classes.
        probability: Of the best class.
        scores: Probability of each class, by id.
    """

    label: str | None
    class_id: str | None
    unknown: bool
    probability: Share
    scores: dict[str, float]


class LiveMap(Struct, frozen=True):
    """Where the frame lies on the maps of `/api/map`."""

    before: tuple[Place, Place] | None
    after: tuple[Place, Place] | None


class LiveMessage(Struct, frozen=True, tag="live", tag_field="type"):
    """The answer for one frame; its JPEG follows as the next, binary message.

    Attributes:
        index: Of the frame.
        ready: Whether there is anything to predict with.
        label: See `Answer`; smoothed over time, as are the next four.
        class_id: See `Answer`.
        unknown: See `Answer`.
        probability: See `Answer`.
        scores: See `Answer`.
        direct: The same frame without adapting, when the window asked to compare.
        truth: What a rendered scene really shows; "" for nothing, null where the camera does not tell.
        latency_ms: From the frame's arrival to its answer.
        timings_ms: Its parts.
        fps: Answers a second.
        map: Where the frame lies, when the window asked for it.
        error: Why there is no answer for this frame.
    """

    index: int
    ready: bool
    label: str | None
    class_id: str | None
    unknown: bool
    probability: Share
    scores: dict[str, float]
    direct: Answer | None
    truth: str | None
    latency_ms: float
    timings_ms: dict[str, float]
    fps: float
    map: LiveMap | None
    error: str | None


class StateMessage(Struct, frozen=True, tag="state", tag_field="type"):
    """Sent on connecting and after each change."""

    state: State


class CameraMessage(Struct, frozen=True, tag="camera", tag_field="type"):
    """Sent when the camera's state changes."""

    camera: CameraState


class SavedMessage(Struct, frozen=True, tag="saved", tag_field="type"):
    """Sent when the list of saved adaptations changed."""


class Ready(Struct, frozen=True, tag="ready", tag_field="type"):
    """The window asks for the next picture."""


class View(Struct, frozen=True, tag="view", tag_field="type"):
    """What the window shows: answers without adapting beside those with it, and the map."""

    compare: bool = False
    map: bool = False


ClientMessage = Ready | View
