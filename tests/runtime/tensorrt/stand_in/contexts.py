"""CUDA contexts as pycuda keeps them, after `context` in its cuda.hpp.

There are two stacks for each thread: pycuda's own, and the driver's, on which pycuda leaves only the top of its own.
A context remembers the thread that made it. Things made in it can be freed while it is current, or in that thread;
anywhere else pycuda warns and leaks them.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable

from stand_in.cuda_errors import CudaLogicError, invalid_context, out_of_memory
from stand_in.device import Faults
from stand_in.ledger import Ledger

__all__ = ["Contexts", "PrimaryContext"]


class PrimaryContext:
    """One retained reference to the device's primary context."""

    def __init__(self, number: int) -> None:
        self.number, self.is_valid = number, True
        self.thread = threading.get_ident()


class _Stacks(threading.local):
    def __init__(self) -> None:
        self.pycuda: list[PrimaryContext] = []
        self.driver: list[PrimaryContext] = []


class Contexts:
    """The contexts of one machine and of all its threads."""

    def __init__(self, faults: Faults, ledger: Ledger) -> None:
        self._faults, self._ledger = faults, ledger
        self._stacks = _Stacks()
        self._seen: list[tuple[str, list[PrimaryContext], list[PrimaryContext]]] = []
        self._n_retained = 0

    @property
    def n_retained(self) -> int:
        """References to the primary context; at 0 the driver destroys it with all that is in it."""
        return self._n_retained

    def _mine(self) -> _Stacks:
        stacks = self._stacks
        if not any(pycuda is stacks.pycuda for _, pycuda, _ in self._seen):
            self._seen.append((threading.current_thread().name, stacks.pycuda, stacks.driver))
        return stacks

    def retain(self) -> PrimaryContext:
        """Retain the primary context, without making it current."""
        if self._faults.no_context:
            raise out_of_memory("cuDevicePrimaryCtxRetain")
        self._n_retained += 1
        return PrimaryContext(self._ledger.made("primary context"))

    def current(self, besides: PrimaryContext | None = None) -> PrimaryContext | None:
        """What pycuda takes for current in this thread."""
        stack = self._mine().pycuda
        while stack and (stack[-1] is besides or not stack[-1].is_valid):
            stack.pop()
        return stack[-1] if stack else None

    def check_current(self, routine: str) -> PrimaryContext:
        """Hold that the driver has a living context in this thread, and give back pycuda's.

        Raises:
            CudaLogicError: It has none; which is noted too.
        """
        driver, current = self._mine().driver, self.current()
        if not driver or not driver[-1].is_valid or current is None:
            self._ledger.note(f"{routine} without a current context")
            raise invalid_context(routine)
        return current

    def push(self, context: PrimaryContext) -> None:
        """Make a context current in this thread."""
        if not context.is_valid:
            raise invalid_context("cuCtxPushCurrent")
        stacks = self._mine()
        if stacks.pycuda and stacks.driver:
            stacks.driver.pop()
        stacks.driver.append(context)
        stacks.pycuda.append(context)

    def pop(self) -> None:
        """Make the context below the current one current in this thread."""
        stacks = self._mine()
        if not stacks.pycuda:
            self._ledger.note("a context was popped where none was pushed")
            raise CudaLogicError("context::pop failed: invalid device context - cannot pop non-current context")
        stacks.driver.pop()
        stacks.pycuda.pop()
        if below := self.current():
            stacks.driver.append(below)

    def detach(self, context: PrimaryContext) -> None:
        """Release a reference, as pycuda does: what it pushes for that in the driver, it leaves there."""
        if not context.is_valid:
            raise CudaLogicError("context::detach failed: invalid device context - cannot detach from invalid context")
        was_current = self.current() is context
        if was_current:
            self._release(context)
        elif context.thread == threading.get_ident():
            self._mine().driver.append(context)
            self._release(context)
        else:
            self._ledger.note("a primary context was detached in another thread than its own, where pycuda leaks it")
        context.is_valid = False
        below = self.current(besides=context) if was_current else None
        if below is not None:
            self._mine().driver.append(below)

    def _release(self, context: PrimaryContext) -> None:
        self._n_retained -= 1
        self._ledger.freed("primary context", context.number)
        lost = {kind: n for kind, n in self._ledger.live().items() if kind not in ("builder", "primary context")}
        if self._n_retained == 0 and lost:
            self._ledger.note(f"the primary context was released before {lost}")

    def clean_up(self, context: PrimaryContext, what: str, work: Callable[[], None]) -> None:
        """Free something in the context it was made in.

        Args:
            context: That it was made in.
            what: Pycuda's name for it.
            work: Frees it.
        """
        if not context.is_valid:
            self._ledger.note(f"{what} outlived its context")
            return
        if self.current() is context:
            work()
        elif context.thread == threading.get_ident():
            self.push(context)
            work()
            self.pop()
        else:
            self._ledger.note(f"{what} was freed in a thread where its context is not current, so pycuda leaks it")
            warnings.warn(f"{what} in out-of-thread context could not be cleaned up", UserWarning, stacklevel=3)

    def check_empty(self) -> None:
        """Hold that every thread popped what it pushed.

        Raises:
            AssertionError: One did not; pycuda would abort the process.
        """
        for thread, pycuda, driver in self._seen:
            assert not pycuda, f"thread {thread}: the context stack was not empty upon module cleanup"
            assert not driver, f"thread {thread}: pycuda left a released context current there"
