"""Writing into the cache's folder: whole files, one writer at a time, and nobody else's folder."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperflow_runtime.errors import EngineError

__all__ = ["check_owner", "only_one", "write_whole"]


def _cannot_write(folder: Path, error: OSError) -> EngineError:
    next_move = (
        "free some space there" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "give that folder to this user"
    )
    return EngineError(
        f"the engine cache {folder} cannot be written ({error.strerror}); {next_move}, or name another one with "
        "--cache FOLDER or the environment variable HYPERFLOW_ENGINE_CACHE"
    )


def check_owner(folder: Path) -> None:
    """Refuse a folder that others may write: a plan is code for the GPU, and theirs would run as this user's.

    Raises:
        EngineError: Others may write it, or it belongs to another user who is not root.
    """
    try:
        found = folder.stat()
    except OSError:
        return  # not there yet, or not to be read: then there is nothing in it to be trusted
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & stat.S_IWOTH:
        raise EngineError(
            f"the engine cache {folder} may be written by other users (owner {found.st_uid}, mode "
            f"{stat.S_IMODE(found.st_mode):o}), and engines are code; chown it to yourself, chmod o-w, or choose "
            "another folder"
        )


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, then rename it: a reader sees the old file or the new one.

    Raises:
        EngineError: The folder cannot be written, or the disk is full.
    """
    partial: Path | None = None
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        check_owner(path.parent)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            partial = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        if partial is not None:
            partial.unlink(missing_ok=True)
        raise _cannot_write(path.parent, error) from error


@contextmanager
def only_one(lock: Path, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock for the block; a process that ends in any way gives it back.

    Args:
        lock: File of the lock, made when absent and left behind.
        waiting: Called once when another process holds it.

    Raises:
        EngineError: The folder cannot be written, or others may write it.
    """
    try:
        lock.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        check_owner(lock.parent)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _cannot_write(lock.parent, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
