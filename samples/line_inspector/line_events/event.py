"""Events, as they are written: one JSON object each, told apart by `type`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = [
    "AdaptationChanged",
    "AdaptationRefused",
    "AnyEvent",
    "CameraBack",
    "CameraLost",
    "Event",
    "Heartbeat",
    "LabelChanged",
    "SinkCounts",
    "Started",
    "Stopped",
    "decode_event",
    "encode_event",
]

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
_Time = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every event says.

    Attributes:
        schema_version: Raised when a field changes its meaning or goes away; new fields do not raise it.
        id: The same however often an event is delivered: drop an event whose id you know already.
        run: The same for all events of one start of the inspector.
        sequence: Number of the event in its run, from 1; a gap tells that events were lost.
        time: When it happened, UTC, to the millisecond.
        station: Which inspector it is.
    """

    id: str
    run: str
    sequence: Annotated[int, msgspec.Meta(ge=1)]
    time: _Time
    station: str
    schema_version: Literal[1] = 1


class LabelChanged(Event, frozen=True, kw_only=True, tag="label"):
    """Another label than before holds, or the first one since the start or since the camera came back.

    Attributes:
        label: The class; null for something unknown.
        previous: The label before; null for something unknown, or when there was none.
        probability: Smoothed, of the best class.
        scores: Smoothed probability of every class; they add up to 1.
        frame_index: Of the frame that decided, counted since the camera was opened.
        latency_ms: From the frame's arrival to the answer.
        picture: File name in the folder of unknown things; null when none was kept.
        adaptation: File name of the adaptation in force.
        bundle: Name of the model.
    """

    label: str | None
    previous: str | None
    probability: _Share
    scores: dict[str, _Share]
    frame_index: _Count
    latency_ms: Annotated[float, msgspec.Meta(ge=0.0)]
    picture: str | None
    adaptation: str
    bundle: str


class CameraLost(Event, frozen=True, kw_only=True, tag="camera_lost"):
    """No pictures come any more; the last label holds no longer.

    Attributes:
        camera: Its address, without a password.
        reason: What went wrong, and the next move.
    """

    camera: str
    reason: str


class CameraBack(Event, frozen=True, kw_only=True, tag="camera_back"):
    """Pictures come again; a label event follows.

    Attributes:
        camera: Its address, without a password.
        away_s: How long there were none.
    """

    camera: str
    away_s: Annotated[float, msgspec.Meta(ge=0.0)]


class AdaptationChanged(Event, frozen=True, kw_only=True, tag="adaptation_changed"):
    """Another adaptation is in force; no frame was missed for it."""

    adaptation: str
    classes: list[str]


class AdaptationRefused(Event, frozen=True, kw_only=True, tag="adaptation_refused"):
    """The adaptation file was changed and cannot be used; the one before stays in force."""

    adaptation: str
    reason: str


class Started(Event, frozen=True, kw_only=True, tag="started"):
    """The inspector runs."""

    camera: str
    bundle: str
    backend: str
    adaptation: str
    classes: list[str]
    version: str


class Stopped(Event, frozen=True, kw_only=True, tag="stopped"):
    """The inspector was told to stop, or its source is over; the last event of a run that was not killed."""

    reason: str


class SinkCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How one sink is doing, since the start.

    Attributes:
        n_waiting: Events not yet delivered to it.
        n_delivered: Events delivered.
        n_failed: Attempts that failed and are repeated.
        n_rejected: Events that the receiver refused for good; they lie in `dead-letters.jsonl` beside the spool.
        n_dropped: Events that were given up undelivered because the spool was full.
        last_error: Of the last attempt; null when it went well.
    """

    n_waiting: _Count
    n_delivered: _Count
    n_failed: _Count
    n_rejected: _Count
    n_dropped: _Count
    last_error: str | None


class Heartbeat(Event, frozen=True, kw_only=True, tag="heartbeat"):
    """Sent at regular times, so that silence means trouble. Counts are since the start.

    Attributes:
        uptime_s: Since the start.
        label: The label that holds; null for something unknown, or for none.
        camera_state: "live" when all is well.
        camera_fps: Frames a second that arrive.
        answers_per_s: Since the last heartbeat.
        n_answered: Frames classified.
        n_failed_answers: Frames that could not be classified.
        n_label_changes: Label events.
        n_camera_losses: Times the camera was lost.
        n_pictures: Pictures of unknown things that were kept.
        sinks: How each sink is doing.
    """

    uptime_s: Annotated[float, msgspec.Meta(ge=0.0)]
    label: str | None
    camera_state: str
    camera_fps: Annotated[float, msgspec.Meta(ge=0.0)]
    answers_per_s: Annotated[float, msgspec.Meta(ge=0.0)]
    n_answered: _Count
    n_failed_answers: _Count
    n_label_changes: _Count
    n_camera_losses: _Count
    n_pictures: _Count
    sinks: dict[str, SinkCounts]


AnyEvent = (
    LabelChanged | CameraLost | CameraBack | AdaptationChanged | AdaptationRefused | Started | Stopped | Heartbeat
)

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def encode_event(event: AnyEvent) -> bytes:
    """One line of JSON, without the line's end."""
    return _ENCODER.encode(event)


def decode_event(body: bytes) -> AnyEvent:
    """Read what `encode_event` wrote.

    Raises:
        msgspec.MsgspecError: It is no event of this schema.
    """
    return _DECODER.decode(body)
