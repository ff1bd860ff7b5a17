"""The spool on disk: bounded, one inspector at a time, and of use when the disk is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from delivery.database import SpoolError
from delivery.spool import Spool


def opened(folder: Path | None, *sinks: str, max_bytes: int = 10**6, troubles: list[str] | None = None) -> Spool:
    heard = [] if troubles is None else troubles
    return Spool(folder, sinks or ("a",), max_bytes=max_bytes, on_trouble=heard.append)


def ids(spool: Spool, sink: str = "a", limit: int = 10_000) -> list[str]:
    return [event.id for event in spool.waiting(sink, limit)]


def test_events_are_kept_in_order_over_a_restart(tmp_path: Path) -> None:
    first = opened(tmp_path / "spool")
    for number in range(5):
        first.append(f"e{number}", b"{}")
    first.settle("a", first.waiting("a", 2)[-1].position)
    first.close()

    second = opened(tmp_path / "spool")
    second.append("e5", b"{}")

    assert ids(second) == ["e2", "e3", "e4", "e5"]
    second.close()


def test_what_every_sink_has_is_removed_and_what_one_lacks_is_not(tmp_path: Path) -> None:
    spool = opened(tmp_path, "a", "b")
    for number in range(3):
        spool.append(f"e{number}", b"{}")

    spool.settle("a", spool.waiting("a", 3)[-1].position)
    spool.settle("b", spool.waiting("b", 1)[-1].position)

    assert (ids(spool, "a"), ids(spool, "b")) == ([], ["e1", "e2"])
    spool.close()
    with sqlite3.connect(tmp_path / "events.db") as database:
        assert database.execute("SELECT id FROM events ORDER BY position").fetchall() == [("e1",), ("e2",)]
    database.close()


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_a_full_spool_drops_the_oldest_and_counts_them_for_those_who_lack_them(
    tmp_path: Path, is_on_disk: bool
) -> None:
    spool = opened(tmp_path if is_on_disk else None, "slow", "fast", max_bytes=100_000)
    body = b"x" * 936  # with what the tables add, a thousand bytes
    for number in range(150):
        spool.append(f"e{number}", body)
        if number < 20:
            spool.settle("fast", spool.waiting("fast", 1)[0].position)

    assert ids(spool, "slow") == [f"e{number}" for number in range(50, 150)]
    assert (spool.n_dropped("slow"), spool.n_dropped("fast")) == (50, 30)
    assert spool.n_waiting("slow") == 100
    spool.close()


def test_the_files_stay_near_the_bound_however_many_events_come(tmp_path: Path) -> None:
    spool = opened(tmp_path, max_bytes=100_000)
    for number in range(500):
        spool.append(f"e{number}", b"x" * 700)

    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 100_000 * 1.3 + 1.5 * 2**20
    spool.close()


def test_a_second_inspector_is_refused(tmp_path: Path) -> None:
    first = opened(tmp_path)

    with pytest.raises(SpoolError, match="in use by another inspector; give each inspector a folder of its own"):
        opened(tmp_path)

    first.close()


def test_a_torn_last_write_is_ignored(tmp_path: Path) -> None:
    before = opened(tmp_path / "one")
    for number in range(3):
        before.append(f"e{number}", b"x" * 500)
    (tmp_path / "two").mkdir()
    for name in ("events.db", "events.db-wal"):
        data = (tmp_path / "one" / name).read_bytes()
        (tmp_path / "two" / name).write_bytes(data[:-1000] if name.endswith("wal") else data)

    after = opened(tmp_path / "two")

    assert ids(after) == ["e0", "e1"]
    before.close()
    after.close()


def test_a_damaged_file_is_put_aside_and_said(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"this was a database" * 1000)
    troubles: list[str] = []

    spool = opened(tmp_path, troubles=troubles)
    spool.append("e0", b"{}")

    assert ids(spool) == ["e0"]
    assert "was damaged; it was put aside as" in troubles[0]
    assert len(list(tmp_path.glob("events.db.broken-*"))) == 1
    spool.close()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SpoolError, match="cannot be used"):
        opened(tmp_path / "file" / "spool")


def test_events_are_delivered_from_memory_while_the_disk_is_full_and_saved_when_it_is_not(tmp_path: Path) -> None:
    troubles: list[str] = []
    spool = opened(tmp_path, troubles=troubles)
    spool.append("e0", b"{}")
    database = spool._database._connection
    n_pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {n_pages}")  # SQLite's own way to a full disk
    for number in range(1, 40):
        spool.append(f"e{number}", b"x" * 2000)

    assert ids(spool) == [f"e{number}" for number in range(40)]
    assert len(troubles) == 1
    assert "disk fails (database or disk is full)" in troubles[0]
    assert "free some space" in troubles[0]

    spool.settle("a", spool.waiting("a", 5)[-1].position)
    database.execute("PRAGMA max_page_count = 100000")
    spool.append("e40", b"{}")
    spool.close()
    again = opened(tmp_path)

    assert ids(again) == [f"e{number}" for number in range(5, 41)]
    assert "works again" in troubles[1]
    again.close()


def test_when_disk_and_memory_are_full_the_newest_events_and_those_on_disk_are_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delivery.spool._MOST_IN_MEMORY", 10)
    spool = opened(tmp_path)
    spool.append("e0", b"{}")
    database = spool._database._connection
    n_pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {n_pages}")
    for number in range(1, 40):
        spool.append(f"e{number}", b"x" * 5000)

    assert ids(spool) == ["e0", *(f"e{number}" for number in range(30, 40))]
    assert spool.n_dropped("a") == 29
    spool.close()


def test_what_is_on_a_disk_that_cannot_be_read_is_not_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(tmp_path)
    for number in range(5):
        spool.append(f"e{number}", b"{}")

    def fails(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        for name in ("after", "insert"):
            broken.setattr(spool._database, name, fails)
        spool.append("e5", b"{}")
        assert ids(spool) == []  # the older ones come first
    assert ids(spool) == [f"e{number}" for number in range(6)]
    spool.settle("a", spool.waiting("a", 6)[-1].position)

    with monkeypatch.context() as broken:
        for name in ("after", "insert"):
            broken.setattr(spool._database, name, fails)
        spool.append("e6", b"{}")
        assert ids(spool) == ["e6"]  # nothing on disk waits in front of it
    assert spool.n_dropped("a") == 0
    spool.close()


def test_a_sink_that_is_no_more_holds_nothing_back(tmp_path: Path) -> None:
    before = opened(tmp_path, "a", "gone")
    before.append("e0", b"{}")
    before.settle("a", before.waiting("a", 1)[0].position)
    before.close()

    after = opened(tmp_path, "a")

    assert (ids(after), after._n_bytes) == ([], 0)
    after.close()


def test_without_sinks_nothing_is_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path, (), max_bytes=10**6, on_trouble=print)
    for number in range(10):
        spool.append(f"e{number}", b"{}")

    assert spool._database.count_after(0) == 0
    spool.close()
