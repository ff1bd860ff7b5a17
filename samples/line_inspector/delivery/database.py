"""The events that are still to be delivered, in an SQLite file: it survives kill, power loss and a torn last write."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["EventDatabase", "SpoolError", "SpooledEvent"]

FILE_NAME = "events.db"
_TABLES = """
CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY, id TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (sink TEXT PRIMARY KEY, position INTEGER NOT NULL);
"""


class SpoolError(Exception):
    """The spool cannot be opened."""


@dataclass(frozen=True)
class SpooledEvent:
    """One event on its way.

    Attributes:
        position: Place in the order of all events, from 1; kept over restarts.
        id: Of the event.
        body: Its JSON.
    """

    position: int
    id: str
    body: bytes

    @property
    def n_bytes(self) -> int:
        """What it takes up, with what the tables add, roughly."""
        return len(self.body) + 64


class EventDatabase:
    """Two tables: events, and how far each sink is. One process at a time; callers take turns among their threads."""

    def __init__(self, folder: Path | None) -> None:
        """Open, or make. A file that is no whole database is put aside, and `put_aside` names it.

        Args:
            folder: Made where it is absent; None keeps everything in memory.

        Raises:
            SpoolError: In use by another process, or the folder cannot be written.
        """
        self.put_aside: Path | None = None
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._connection = self._opened(folder)
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(_advice(folder, error)) from error

    def _opened(self, folder: Path | None) -> sqlite3.Connection:
        if folder is None:
            return _connection(":memory:")
        file = folder / FILE_NAME
        try:
            return _connection(str(file))
        except sqlite3.OperationalError:
            raise  # in use, or the disk
        except sqlite3.DatabaseError:
            self.put_aside = _put_aside(file)
            return _connection(str(file))

    @contextlib.contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        """All of it or nothing.

        Args:
            durable: Wait until the disk has it. Without, a power loss may undo it, and a kill does not.
        """
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
                self._connection.execute("ROLLBACK")
            raise

    def insert(self, events: Sequence[SpooledEvent]) -> None:
        """Keep events."""
        rows = [(event.position, event.id, event.body) for event in events]
        self._connection.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)

    def after(self, position: int, limit: int) -> list[SpooledEvent]:
        """The oldest events after a position."""
        query = "SELECT position, id, body FROM events WHERE position > ? ORDER BY position LIMIT ?"
        return [SpooledEvent(*row) for row in self._connection.execute(query, (position, limit))]

    def count_after(self, position: int) -> int:
        """How many events come after a position."""
        return int(
            self._connection.execute("SELECT COUNT(*) FROM events WHERE position > ?", (position,)).fetchone()[0]
        )

    def n_bytes(self) -> int:
        """What all events take up, roughly."""
        query = "SELECT COALESCE(SUM(LENGTH(body) + 64), 0) FROM events"
        return int(self._connection.execute(query).fetchone()[0])

    def delete_up_to(self, position: int) -> int:
        """Remove events up to a position, this one among them; return the bytes that this frees."""
        query = "SELECT COALESCE(SUM(LENGTH(body) + 64), 0) FROM events WHERE position <= ?"
        freed = int(self._connection.execute(query, (position,)).fetchone()[0])
        self._connection.execute("DELETE FROM events WHERE position <= ?", (position,))
        return freed

    def last_position(self) -> int:
        """The highest position that was ever used, or 0."""
        both = "SELECT position FROM events UNION ALL SELECT position FROM deliveries"
        query = f"SELECT COALESCE(MAX(position), 0) FROM ({both})"
        return int(self._connection.execute(query).fetchone()[0])

    def cursors(self) -> dict[str, int]:
        """How far each sink is."""
        return dict(self._connection.execute("SELECT sink, position FROM deliveries").fetchall())

    def set_cursor(self, sink: str, position: int) -> None:
        """A sink has everything up to a position."""
        self._connection.execute("INSERT OR REPLACE INTO deliveries VALUES (?, ?)", (sink, position))

    def forget_sink(self, sink: str) -> None:
        """Nothing is kept for a sink any longer."""
        self._connection.execute("DELETE FROM deliveries WHERE sink = ?", (sink,))

    def close(self) -> None:
        """Free the file."""
        self._connection.close()


def _connection(target: str) -> sqlite3.Connection:
    connection = sqlite3.connect(target, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second inspector would mix up the order
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 256")
        connection.execute("PRAGMA journal_size_limit = 1048576")
        connection.executescript(_TABLES)
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    except BaseException:
        connection.close()
        raise
    return connection


def _put_aside(file: Path) -> Path:
    aside = file.with_name(f"{FILE_NAME}.broken-{time.time_ns()}")
    file.replace(aside)
    for suffix in ("-wal", "-shm"):
        file.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
    return aside


def _advice(folder: Path | None, error: Exception) -> str:
    if "locked" in str(error):
        return f"the spool {folder} is in use by another inspector; give each inspector a folder of its own"
    return f"the spool {folder} cannot be used ({error}); free some space, or give a folder that can be written"
