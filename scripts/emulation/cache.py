"""Where roots, wheels and image layers are kept between runs; never inside the repository."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emulation.failure import CannotRun

__all__ = ["default_cache", "mount_points", "only_one_run", "remove_folder"]


def default_cache() -> Path:
    """`hyperflow/emulation` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hyperflow/emulation"


def mount_points() -> list[Path]:
    """Where something is mounted, as this process sees it."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [Path(line.split(" ")[4].encode().decode("unicode_escape")) for line in lines]


def remove_folder(folder: Path) -> None:
    """Remove a folder of the cache, unless something is mounted below it: that would be removed as well.

    Raises:
        CannotRun: Something is mounted there.
    """
    if not folder.exists():
        return
    real = folder.resolve()
    mounted = [point for point in mount_points() if point == real or real in point.parents]
    if mounted:
        raise CannotRun(f"{mounted[-1]} is mounted, and {folder} is to be removed; run: umount {mounted[-1]}")
    shutil.rmtree(folder)


@contextmanager
def only_one_run(cache: Path) -> Iterator[None]:
    """Hold the cache for the block; a process that ends in any way gives it back.

    Raises:
        CannotRun: The folder cannot be made, or another run holds it.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        handle = os.open(cache / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CannotRun(f"the cache {cache} cannot be written ({error.strerror}); choose another: --cache") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotRun(f"another run uses the cache {cache}; wait for it, or choose another: --cache") from error
        yield
    finally:
        os.close(handle)
