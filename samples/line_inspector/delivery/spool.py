"""Events between the inspector and its sinks: nothing is lost while a receiver, or the inspector, is away."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from delivery.database import EventDatabase, SpooledEvent

__all__ = ["Spool"]

_MOST_IN_MEMORY = 1000


class Spool:
    """Events in order, and how far each sink is. Any thread may call it.

    An event is on disk when `append` returns, and stays until every sink has settled it. Where the disk does not take
    it, it waits in memory, is delivered from there, and goes to disk as soon as that works again. When the spool is
    full, the oldest events are dropped and counted for each sink that did not have them.
    """

    def __init__(
        self, folder: Path | None, sinks: Sequence[str], *, max_bytes: int, on_trouble: Callable[[str], None]
    ) -> None:
        """Open the folder's spool; what the last run left is delivered first.

        Args:
            folder: None keeps events in memory alone.
            sinks: Names; events of the last run that wait for a sink not among them are given up.
            max_bytes: Bound on what waits.
            on_trouble: Told once when the disk fails, and once when it works again.

        Raises:
            SpoolError: In use by another process, or the folder cannot be written.
        """
        self._max_bytes, self._on_trouble = max_bytes, on_trouble
        self._changed = threading.Condition()
        self._in_memory: list[SpooledEvent] = []
        self._is_troubled, self._is_closed = False, False
        self._database = EventDatabase(folder)
        if self._database.put_aside is not None:
            on_trouble(f"the spool was damaged; it was put aside as {self._database.put_aside}, and a new one begun")
        known = self._database.cursors()
        self._next = self._database.last_position() + 1
        self._last_on_disk = self._next - 1
        self._cursors = {name: known.get(name, 0) for name in sinks}
        self._n_dropped = dict.fromkeys(sinks, 0)
        self._note_sinks(known.keys() - self._cursors.keys())
        self._n_bytes = self._database.n_bytes()

    def _note_sinks(self, gone: Collection[str]) -> None:
        try:
            with self._database.transaction(durable=True):
                for name in gone:
                    self._database.forget_sink(name)
                for name, position in self._cursors.items():
                    self._database.set_cursor(name, position)
                self._database.delete_up_to(self._settled_by_all())
        except sqlite3.Error as error:
            self._say_trouble(error)

    def _settled_by_all(self) -> int:
        return min(self._cursors.values(), default=self._next - 1)

    def append(self, event_id: str, body: bytes) -> None:
        """Keep an event for all sinks."""
        with self._changed:
            if not self._cursors or self._is_closed:
                return
            self._in_memory.append(SpooledEvent(self._next, event_id, body))
            self._next += 1
            self._move_to_disk()
            self._changed.notify_all()

    def _move_to_disk(self) -> None:
        try:
            doomed = self._doomed(sum(event.n_bytes for event in self._in_memory))
            freed = 0
            with self._database.transaction(durable=True):
                if doomed:
                    freed = self._database.delete_up_to(doomed[-1])
                self._database.insert(self._in_memory)
        except sqlite3.Error as error:
            self._say_trouble(error)
            self._count_dropped([event.position for event in self._in_memory[:-_MOST_IN_MEMORY]])
            del self._in_memory[:-_MOST_IN_MEMORY]
            return
        self._n_bytes += sum(event.n_bytes for event in self._in_memory) - freed
        self._count_dropped(doomed)
        if self._in_memory:
            self._last_on_disk = self._in_memory[-1].position
        self._in_memory.clear()
        self._say_recovered()

    def _doomed(self, n_new_bytes: int) -> list[int]:
        """Positions of the oldest events, as many as must go to make room."""
        excess, doomed, last = self._n_bytes + n_new_bytes - self._max_bytes, list[int](), 0
        while excess > 0:
            oldest = self._database.after(last, limit=50)
            if not oldest:
                break
            for event in oldest:
                if excess > 0:
                    doomed.append(event.position)
                    excess -= event.n_bytes
            last = oldest[-1].position
        return doomed

    def _count_dropped(self, positions: Sequence[int]) -> None:
        for name, cursor in self._cursors.items():
            self._n_dropped[name] += sum(position > cursor for position in positions)

    def waiting(self, sink: str, limit: int) -> list[SpooledEvent]:
        """The oldest events that a sink does not have, at most `limit`."""
        with self._changed:
            return [] if self._is_closed else self._waiting(sink, limit)

    def _waiting(self, sink: str, limit: int) -> list[SpooledEvent]:
        cursor = self._cursors[sink]
        try:
            events = self._database.after(cursor, limit)
        except sqlite3.Error as error:
            self._say_trouble(error)
            if cursor < self._last_on_disk:
                return []  # older ones come first; they are delivered once the disk can be read again
            events = []
        events += [event for event in self._in_memory if event.position > cursor]
        return events[:limit]

    def wait_for_more(self, sink: str, timeout_s: float) -> None:
        """Return when there is something for a sink, on `wake`, or after the time."""
        with self._changed:
            if not self._is_closed and not self._waiting(sink, 1):
                self._changed.wait(timeout_s)

    def wake(self) -> None:
        """Let all who wait look again."""
        with self._changed:
            self._changed.notify_all()

    def settle(self, sink: str, position: int) -> None:
        """A sink has everything up to a position; what all sinks have is removed."""
        with self._changed:
            if self._is_closed:
                return  # delivered, and not noted: it is delivered once more after the next start
            self._cursors[sink] = max(self._cursors[sink], position)
            done = self._settled_by_all()
            self._in_memory = [event for event in self._in_memory if event.position > done]
            try:
                with self._database.transaction(durable=False):
                    self._database.set_cursor(sink, self._cursors[sink])
                    freed = self._database.delete_up_to(done)
            except sqlite3.Error as error:
                self._say_trouble(error)
                return
            self._n_bytes -= freed

    def n_waiting(self, sink: str) -> int:
        """How many events a sink does not have yet."""
        with self._changed:
            cursor = self._cursors[sink]
            in_memory = sum(event.position > cursor for event in self._in_memory)
            try:
                return in_memory + (0 if self._is_closed else self._database.count_after(cursor))
            except sqlite3.Error as error:
                self._say_trouble(error)
                return in_memory

    def n_dropped(self, sink: str) -> int:
        """How many events a sink never got because the spool was full, since it was opened."""
        return self._n_dropped[sink]

    def close(self) -> None:
        """Free the file; what is undelivered stays in it. Calls after this one do nothing."""
        with self._changed:
            if not self._is_closed:
                if self._in_memory:
                    self._move_to_disk()
                self._is_closed = True
                self._database.close()
            self._changed.notify_all()

    def _say_trouble(self, error: sqlite3.Error) -> None:
        if not self._is_troubled:
            self._is_troubled = True
            self._on_trouble(
                f"the spool's disk fails ({error}); events wait in memory, at most {_MOST_IN_MEMORY}: free some space"
            )

    def _say_recovered(self) -> None:
        if self._is_troubled:
            self._is_troubled = False
            self._on_trouble("the spool's disk works again; all events that waited in memory are on it")
