"""An event as a line for people."""

from __future__ import annotations

from line_events.event import (
    AdaptationChanged,
    AdaptationRefused,
    AnyEvent,
    CameraBack,
    CameraLost,
    Heartbeat,
    LabelChanged,
    Started,
    Stopped,
)

__all__ = ["event_line"]


def event_line(event: AnyEvent) -> str:
    """Time (UTC), kind and what matters of an event, without the line's end."""
    kind = str(event.__struct_config__.tag).replace("_", " ")
    return f"{event.time[11:23]}  {kind:<19} {_said(event)}"


def _said(event: AnyEvent) -> str:
    match event:
        case LabelChanged():
            kept = f", picture {event.picture}" if event.picture else ""
            name = event.label or "unknown"
            return f"{name:<20} {event.probability:4.0%}  {event.latency_ms:4.0f} ms{kept}"
        case CameraLost():
            return event.reason
        case CameraBack():
            return f"{event.camera}, after {event.away_s:.1f} s"
        case AdaptationChanged():
            return f"{event.adaptation}: {', '.join(event.classes)}"
        case AdaptationRefused():
            return event.reason
        case Started():
            return f"{event.camera}, {event.bundle} on {event.backend}, {event.adaptation}: {', '.join(event.classes)}"
        case Stopped():
            return event.reason
        case Heartbeat():
            return _heartbeat(event)


def _heartbeat(event: Heartbeat) -> str:
    parts = [f"camera {event.camera_state}, {event.answers_per_s:.1f} answers a second"]
    for name, counts in event.sinks.items():
        if counts.n_waiting or counts.n_dropped or counts.n_rejected:
            parts.append(
                f"{name}: {counts.n_waiting} waiting, {counts.n_rejected} rejected, {counts.n_dropped} dropped"
            )
    return "; ".join(parts)
