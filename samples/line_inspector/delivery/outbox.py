"""Where events go: into the spool, and from there to every sink."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from delivery.courier import Courier
from delivery.dead_letters import DeadLetters
from delivery.log import LOG
from delivery.sink import Sink
from delivery.spool import Spool
from line_events.event import AnyEvent, SinkCounts, encode_event

__all__ = ["Outbox"]

_FLUSH_S = 3.0


class Outbox:
    """The spool and one courier for each sink. A context manager."""

    def __init__(self, sinks: Sequence[Sink], *, folder: Path | None, max_bytes: int) -> None:
        """Begin to deliver what the last run left.

        Args:
            sinks: Closed with the outbox.
            folder: Of the spool; None keeps events in memory alone.
            max_bytes: Bound on what waits.

        Raises:
            SpoolError: The spool is in use, or its folder cannot be written.
        """
        self._spool = Spool(folder, [sink.name for sink in sinks], max_bytes=max_bytes, on_trouble=LOG.warning)
        dead_letters = DeadLetters(folder)
        self._couriers = [Courier(sink, self._spool, dead_letters) for sink in sinks]

    def post(self, event: AnyEvent) -> None:
        """Take an event for all sinks; it is on disk when this returns, unless the log says that the disk fails."""
        self._spool.append(event.id, encode_event(event))

    @property
    def counts(self) -> dict[str, SinkCounts]:
        """How each sink is doing, by name."""
        return {courier.name: courier.counts for courier in self._couriers}

    def close(self) -> None:
        """Deliver what can be delivered within seconds; the rest stays in the spool for the next start."""
        deadline_s = time.monotonic() + _FLUSH_S
        for courier in self._couriers:
            courier.finish()
        for courier in self._couriers:
            courier.close(deadline_s)
        self._spool.close()

    def __enter__(self) -> Outbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
