"""Work that is queued and done only when somebody waits for it: a result that is read too early is not there yet."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from stand_in.ledger import Ledger

__all__ = ["Queue", "Queues"]

_FIRST_HANDLE = 0x5000


class Queue:
    """The work of one stream.

    Attributes:
        handle: What the driver calls it; never 0, which is the stream that all share.
    """

    def __init__(self, handle: int, ledger: Ledger) -> None:
        self.handle, self._ledger = handle, ledger
        self._number = ledger.made("stream")
        self._work: deque[Callable[[], None]] = deque()
        self._lock = threading.RLock()

    def put(self, work: Callable[[], None]) -> None:
        """Queue work."""
        self._work.append(work)

    @property
    def is_done(self) -> bool:
        """Whether nothing waits."""
        return not self._work

    def finish(self) -> None:
        """Do all work, in order."""
        with self._lock:
            while self._work:
                self._work.popleft()()

    def destroy(self) -> None:
        """End the stream."""
        if self._work:
            self._ledger.note("a stream was dropped with work that nobody waited for")
            self._work.clear()
        self._ledger.freed("stream", self._number)


class Queues:
    """All streams of one machine."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._queues = ledger, dict[int, Queue]()
        self._lock = threading.Lock()
        self._next = _FIRST_HANDLE

    def make(self) -> Queue:
        """Make a stream."""
        with self._lock:
            queue = self._queues[self._next] = Queue(self._next, self._ledger)
            self._next += 0x10
            return queue

    def drop(self, queue: Queue) -> None:
        """End a stream."""
        with self._lock:
            del self._queues[queue.handle]
        queue.destroy()

    def find(self, handle: int, purpose: str) -> Queue:
        """The stream of a handle.

        Raises:
            StandInMisuse: It is stream 0, or none any more.
        """
        if handle == 0:
            self._ledger.misuse(f"{purpose} on stream 0, where it waits for the work of every other stream")
        if handle not in self._queues:
            self._ledger.misuse(f"{purpose} on a stream that is no more, {handle:#x}")
        return self._queues[handle]

    def finish_all(self) -> None:
        """Do the work of all streams, as calls without a stream wait for it."""
        for queue in list(self._queues.values()):
            queue.finish()
