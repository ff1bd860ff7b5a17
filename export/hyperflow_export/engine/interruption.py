"""Ctrl-C during a long call into a library that does not know of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event
from typing import TypeVar

__all__ = ["run_interruptibly"]

_T = TypeVar("_T")
_POLL_SECONDS = 0.1


def run_interruptibly(work: Callable[[Event], _T]) -> _T:
    """Run something in a thread of its own and wait for it, so that this thread can take a Ctrl-C meanwhile.

    Python hands signals to the main thread between two of its own instructions, and an exception must not pass through
    a library that called back. A process that ends while the library is still at work aborts, so however often Ctrl-C
    is pressed, the work comes to its end first.

    Args:
        work: Given an event that is set at Ctrl-C, upon which it should end soon, in any way.

    Raises:
        KeyboardInterrupt: There was a Ctrl-C; whatever the work gave or raised is dropped.
    """
    cancelled = Event()
    with _set_by_ctrl_c(cancelled), ThreadPoolExecutor(1) as threads:
        running = threads.submit(work, cancelled)
        while not running.done():
            wait([running], timeout=_POLL_SECONDS)
    if cancelled.is_set():
        raise KeyboardInterrupt
    return running.result()


@contextmanager
def _set_by_ctrl_c(event: Event) -> Iterator[None]:
    """Set an event at Ctrl-C during the block, where it would have raised; only the main thread is ever interrupted."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: event.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
