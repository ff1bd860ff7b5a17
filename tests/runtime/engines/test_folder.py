"""Whole files, one writer at a time, and nobody else's folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyperflow_runtime.engines.folder import check_owner, only_one, write_whole
from hyperflow_runtime.errors import EngineError

HOLDER = """
import sys
from pathlib import Path
from hyperflow_runtime.engines.folder import only_one
with only_one(Path(sys.argv[1])):
    print("holding", flush=True)
    sys.stdin.readline()
    print("letting go", flush=True)
"""


def test_a_file_is_written_with_its_folder(tmp_path: Path) -> None:
    write_whole(tmp_path / "a/b/file", b"data")

    assert (tmp_path / "a/b/file").read_bytes() == b"data"
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["file"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "file", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        EngineError, match=r"No space left on device.*free some space there, or name another .*--cache FOLDER"
    ):
        write_whole(tmp_path / "file", b"new")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("use", [lambda path: write_whole(path, b""), lambda path: only_one(path).__enter__()])
def test_a_folder_that_is_a_file_is_named(tmp_path: Path, use: object) -> None:
    (tmp_path / "engines").write_bytes(b"")

    with pytest.raises(EngineError, match=r"the engine cache .*engines cannot be written .*HYPERFLOW_ENGINE_CACHE"):
        use(tmp_path / "engines/file")  # type: ignore[operator]


def test_a_file_system_that_nobody_may_write_is_named() -> None:
    with pytest.raises(EngineError, match=r"/sys/hyperflow cannot be written .*give that folder to this user, or name"):
        write_whole(Path("/sys/hyperflow/file"), b"")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)

    with pytest.raises(EngineError, match=r"Permission denied.*give that folder to this user"):
        write_whole(tmp_path / "file", b"")


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(EngineError, match=r"may be written by other users .*mode 777.*engines are code"):
        check_owner(tmp_path)
    with pytest.raises(EngineError, match="may be written by other users"):
        write_whole(tmp_path / "file", b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)

    with pytest.raises(EngineError, match="owner 65534"):
        check_owner(tmp_path)


def test_a_folder_that_is_not_there_holds_nothing_to_distrust(tmp_path: Path) -> None:
    check_owner(tmp_path / "absent")


def test_a_second_process_waits_for_the_first(tmp_path: Path) -> None:
    lock, events = tmp_path / "a.lock", list[str]()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "holding\n"

        def let_go() -> None:
            events.append("waiting")
            assert holder.stdin is not None
            holder.stdin.write("\n")
            holder.stdin.flush()

        with only_one(lock, waiting=let_go):
            events.append(holder.stdout.readline().strip())

    assert events == ["waiting", "letting go"]


def test_a_process_that_is_killed_gives_the_lock_back(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
        holder.wait()

        waited: list[bool] = []
        with only_one(lock, waiting=lambda: waited.append(True)):
            assert waited == []


def test_nobody_waits_for_a_lock_that_is_free(tmp_path: Path) -> None:
    for _ in range(2):
        with only_one(tmp_path / "a.lock", waiting=lambda: pytest.fail("waited")):
            pass
