"""A bounded number of open files: the least recently used is closed when another is needed.

Sets with thousands of class files must not use up the file descriptors that `ulimit -n` allows.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar

__all__ = ["N_OPEN_FILES", "OpenFiles"]

N_OPEN_FILES = 128  # of each kind (zip, records, h5): all three together stay well below the usual 1024 a process


class _Closable(Protocol):
    def close(self) -> None: ...


Handle = TypeVar("Handle", bound=_Closable)


def _close_all(handles: OrderedDict[Path, tuple[Handle, tuple[int, ...]]]) -> None:
    while handles:
        handles.popitem()[1][0].close()


class OpenFiles(Generic[Handle]):
    """Handles by path, opened on first use and again when the file was replaced; one thread uses them at a time.

    A process that was forked opens its own, so that no file position is shared.
    """

    def __init__(self, opener: Callable[[Path], Handle], limit: int = N_OPEN_FILES) -> None:
        """Say how to open.

        Args:
            opener: Opens one file.
            limit: Most handles at a time, 1 or more.
        """
        self._open, self._limit = opener, limit
        self._handles: OrderedDict[Path, tuple[Handle, tuple[int, ...]]] = OrderedDict()
        self._lock, self._pid = threading.RLock(), os.getpid()
        weakref.finalize(self, _close_all, self._handles)

    def __len__(self) -> int:
        return len(self._handles)

    @contextmanager
    def use(self, path: Path) -> Iterator[Handle]:
        """Lend the handle of `path` for a `with` block.

        Args:
            path: The file.

        Raises:
            OSError: The file is not there; and whatever the opener raises.
        """
        if self._pid != os.getpid():
            self._lock, self._pid = threading.RLock(), os.getpid()
            _close_all(self._handles)
        with self._lock:
            yield self._handle(path)

    def _handle(self, path: Path) -> Handle:
        status = path.stat()
        version = (status.st_ino, status.st_size, status.st_mtime_ns)
        known = self._handles.pop(path, None)
        if known is not None and known[1] != version:
            known[0].close()
            known = None
        if known is None:
            while len(self._handles) >= self._limit:
                self._handles.popitem(last=False)[1][0].close()
            known = (self._open(path), version)
        self._handles[path] = known
        return known[0]
