"""Runners of one engine: made when needed, lent to one call at a time, kept for the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hyperflow_runtime.backends.tensorrt.runner import Runner

__all__ = ["RunnerPool"]


class RunnerPool:
    """As many runners as calls ever ran at the same time, for each profile.

    An execution context must not be used by two threads at once. A pool holds to that without a context for every
    thread that ever came by.
    """

    def __init__(self, make: Callable[[int], Runner]) -> None:
        """Hold nothing yet.

        Args:
            make: Makes a runner for a profile.
        """
        self._make = make
        self._idle: dict[int, list[Runner]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, profile: int) -> Iterator[Runner]:
        """Lend a runner of a profile for the block. Called with the device's context current.

        Raises:
            BackendError: There is no memory for one more runner.
        """
        with self._lock:
            idle = self._idle.setdefault(profile, [])
            runner = idle.pop() if idle else None
        runner = runner or self._make(profile)
        try:
            yield runner
        finally:
            with self._lock:
                idle.append(runner)

    def free(self) -> None:
        """Free all runners, when none is lent. Called with the device's context current."""
        with self._lock:
            runners = [runner for idle in self._idle.values() for runner in idle]
            self._idle = {}
        for runner in runners:
            runner.free()
