"""Events out of a file, and the stretches of time that they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from line_events.event import AnyEvent, CameraBack, CameraLost, LabelChanged, Started, Stopped, decode_event

__all__ = ["Stretch", "last_events", "seconds", "stretches"]


@dataclass(frozen=True)
class Stretch:
    """Some time in which one thing held.

    Attributes:
        from_s: Begin, in seconds since 1970.
        to_s: End.
        label: The class; "" for something unknown, None without a camera.
        picture: Of something unknown; None where there is none.
    """

    from_s: float
    to_s: float
    label: str | None
    picture: str | None


def seconds(event: AnyEvent) -> float:
    """When it happened, in seconds since 1970."""
    return datetime.fromisoformat(event.time.replace("Z", "+00:00")).timestamp()


def last_events(path: Path, last_s: float) -> list[AnyEvent]:
    """The events of the last seconds of a file, in order, and the last one before them.

    Raises:
        OSError: It cannot be read.
        ValueError: It holds no events.
        msgspec.MsgspecError: A line is no event.
    """
    lines = path.read_bytes().splitlines(keepends=True)
    by_id = {event.id: event for event in (decode_event(line) for line in lines if line.endswith(b"\n"))}
    events = list(by_id.values())
    if not events:
        raise ValueError(f"{path} holds no events; run the inspector with --events {path}")
    begin_s = seconds(events[-1]) - last_s
    first = sum(seconds(event) < begin_s for event in events)
    return events[max(first - 1, 0) :]


def stretches(events: Sequence[AnyEvent], begin_s: float, end_s: float) -> list[Stretch]:
    """What held when, from one time to another; nothing holds until the first label after a start."""
    turns = [event for event in events if isinstance(event, (LabelChanged, CameraLost, CameraBack, Started, Stopped))]
    found = []
    for event, following in zip(turns, [*turns[1:], None], strict=True):
        to_s = end_s if following is None else seconds(following)
        if to_s <= begin_s:
            continue
        if isinstance(event, LabelChanged):
            found.append(Stretch(max(seconds(event), begin_s), to_s, event.label or "", event.picture))
        elif isinstance(event, CameraLost):
            found.append(Stretch(max(seconds(event), begin_s), to_s, None, None))
    return found
