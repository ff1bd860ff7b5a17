"""The JSON Schema of an event, made from the types."""

from __future__ import annotations

import json

import msgspec

from line_events.event import AnyEvent

__all__ = ["schema_text"]


def schema_text() -> str:
    """JSON Schema (draft 2020-12) of one event, ending in a line's end."""
    schema = msgspec.json.schema(AnyEvent)
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event of the line inspector",
        **schema,
    }
    return json.dumps(described, indent=2) + "\n"
