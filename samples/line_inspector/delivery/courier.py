"""Carries events from the spool to one sink, in order, and tries again as long as it takes."""

from __future__ import annotations

import random
import threading
import time

from delivery.dead_letters import DeadLetters
from delivery.log import LOG
from delivery.sink import DeliveryError, RejectedError, Sink
from delivery.spool import Spool
from line_events.event import SinkCounts

__all__ = ["Courier"]

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


class Courier:
    """A thread that serves one sink."""

    def __init__(self, sink: Sink, spool: Spool, dead_letters: DeadLetters) -> None:
        """Start at once.

        Args:
            sink: Closed by `close`.
            spool: Knows the sink's name.
            dead_letters: Takes what the receiver refuses for good.
        """
        self._sink, self._spool, self._dead_letters = sink, spool, dead_letters
        self._n_delivered, self._n_failed, self._n_rejected, self._n_failed_in_turn = 0, 0, 0, 0
        self._last_error: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._carry, name=f"courier-{sink.name}", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """Of the sink."""
        return self._sink.name

    @property
    def counts(self) -> SinkCounts:
        """How the sink is doing."""
        return SinkCounts(
            n_waiting=self._spool.n_waiting(self.name),
            n_delivered=self._n_delivered,
            n_failed=self._n_failed,
            n_rejected=self._n_rejected,
            n_dropped=self._spool.n_dropped(self.name),
            last_error=self._last_error,
        )

    def _carry(self) -> None:
        while True:
            events = self._spool.waiting(self.name, self._sink.window)
            if events:
                try:
                    n_delivered = self._sink.deliver(events)
                except RejectedError as error:
                    self._n_rejected += 1
                    LOG.error("%s refuses event %s for good (%s)", self.name, events[0].id, error)
                    self._dead_letters.keep(self.name, str(error), events[0].body)
                    self._spool.settle(self.name, events[0].position)
                except Exception as error:  # whatever a sink's library raises, its courier must go on
                    if not self._pause_after(error):
                        return
                else:
                    self._note_delivered(n_delivered)
                    self._spool.settle(self.name, events[n_delivered - 1].position)
            elif self._stopping.is_set():
                return
            else:
                self._spool.wait_for_more(self.name, timeout_s=1.0)

    def _note_delivered(self, n_delivered: int) -> None:
        self._n_delivered += n_delivered
        if self._n_failed_in_turn:
            LOG.info("%s takes events again, after %d failed attempts", self.name, self._n_failed_in_turn)
        self._n_failed_in_turn, self._last_error = 0, None

    def _pause_after(self, error: Exception) -> bool:
        """Wait before the next attempt; False when there is to be none because the inspector stops."""
        reason = str(error) if isinstance(error, DeliveryError) else f"{type(error).__name__}: {error}"
        if not self._n_failed_in_turn and not self._stopping.is_set():
            LOG.warning("%s does not take events (%s); they wait in the spool", self.name, reason)
        self._n_failed, self._n_failed_in_turn, self._last_error = (
            self._n_failed + 1,
            self._n_failed_in_turn + 1,
            reason,
        )
        pause_s = error.retry_after_s if isinstance(error, DeliveryError) else None
        if pause_s is None:
            pause_s = min(_FIRST_PAUSE_S * 2 ** min(self._n_failed_in_turn - 1, 16), _LONGEST_PAUSE_S)
            pause_s *= random.uniform(0.75, 1.25)  # many stations must not knock in step at a receiver that comes back
        return not self._stopping.wait(pause_s)

    def finish(self) -> None:
        """Deliver what waits, until the first failure, and then end."""
        self._stopping.set()
        self._spool.wake()

    def close(self, deadline_s: float) -> None:
        """Finish, and close the sink.

        Args:
            deadline_s: How long to wait for deliveries, in `time.monotonic()`.
        """
        self.finish()
        self._thread.join(max(deadline_s - time.monotonic(), 0.0))
        self._sink.close()
        self._thread.join(0.5)
