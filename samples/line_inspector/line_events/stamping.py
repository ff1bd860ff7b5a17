"""What every event of a run has in common."""

from __future__ import annotations

import itertools
import uuid
from datetime import datetime, timezone
from typing import TypedDict

__all__ = ["Stamp", "Stamper"]


class Stamp(TypedDict):
    """The fields of `line_events.event.Event` that are not constant."""

    id: str
    run: str
    sequence: int
    time: str
    station: str


class Stamper:
    """Numbers the events of one run."""

    def __init__(self, station: str) -> None:
        """Start a run.

        Args:
            station: Which inspector it is.
        """
        self._station, self._run, self._sequence = station, uuid.uuid4().hex[:12], itertools.count(1)

    def stamp(self) -> Stamp:
        """Id, number and time of the next event."""
        sequence = next(self._sequence)
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Stamp(id=f"{self._run}-{sequence}", run=self._run, sequence=sequence, time=now, station=self._station)
