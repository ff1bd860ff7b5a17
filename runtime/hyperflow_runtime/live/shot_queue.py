"""Shots that are encoded in the background, so that whoever captures them never waits."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np

from hyperflow_runtime.errors import BackendError, HyperflowRuntimeError, QueueFullError, SupportError
from hyperflow_runtime.frames import Frame
from hyperflow_runtime.results import AdaptReport
from hyperflow_runtime.session import Session

__all__ = ["ShotQueue"]

_LOG = logging.getLogger(__name__)
_POLL_S = 0.5  # a process that ends without `close` waits for no longer


@dataclass(frozen=True, eq=False)
class _WaitingShot:
    label: str
    frame: Frame
    future: Future[int] = field(default_factory=Future)


class ShotQueue:
    """Encodes shots one after the other in a thread of its own, and adapts once when none is waiting any more.

    The queue is bounded: `offer` refuses and `put` waits while it is full, so a held button cannot fill the memory.
    Any thread may call any method.

    Example:
        >>> with ShotQueue(session) as queue:  # doctest: +SKIP
        ...     future = queue.offer("mug", camera.read().image_bgr)
        ...     print("shot", future.result())
        ...     queue.wait_until_idle()  # adapted by now, if there are two classes
    """

    def __init__(
        self, session: Session, *, max_waiting: int = 32, max_batch: int = 8, adapt: bool = True,
        on_adapted: Callable[[AdaptReport | HyperflowRuntimeError], object] | None = None,
    ) -> None:  # fmt: skip
        """Start with an empty queue.

        Args:
            session: Gets the shots; stays the caller's.
            max_waiting: Shots that may wait, at least 1.
            max_batch: Shots of one class that are encoded in one run, at least 1. They are one change of the session,
                so with 1 `Session.undo` takes back one shot at a time.
            adapt: Adapt by itself after shots; otherwise on `request_adapt` alone.
            on_adapted: Called in the queue's thread with each report, or with the error that came instead.

        Raises:
            ValueError: `max_waiting` or `max_batch` is below 1.
        """
        for name, value in (("max_waiting", max_waiting), ("max_batch", max_batch)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value!r:.80}")
        self._session, self._adapts, self._on_adapted = session, adapt, on_adapted
        self._max_waiting, self._max_batch = max_waiting, max_batch
        self._changed = threading.Condition()
        self._waiting: deque[_WaitingShot] = deque()
        self._is_busy = self._wants_adapt = self._is_closed = False
        # Not a daemon: a process that ends while a graph runs would abort. It sees the main thread's end by itself.
        self._thread = threading.Thread(target=self._run, name="hyperflow-shots")
        self._thread.start()

    @property
    def n_waiting(self) -> int:
        """Shots that wait, without those that are being encoded."""
        return len(self._waiting)

    def offer(self, label: str, frame: Frame) -> Future[int]:
        """Hand in a shot, or be refused at once.

        Args:
            label: Its class.
            frame: See `Session`; copied unless it is read-only, as a camera's frames are.

        Returns:
            The shot's id when it is encoded, or the error of `Session.add`.

        Raises:
            QueueFullError: As many shots wait as may; try again when some are done.
            SupportError: The queue is closed.
        """
        return self.put(label, frame, timeout_s=0.0)

    def put(self, label: str, frame: Frame, *, timeout_s: float = 10.0) -> Future[int]:
        """Hand in a shot, waiting for room; see `offer`."""
        is_mine = not isinstance(frame, np.ndarray) or not frame.flags.writeable
        shot = _WaitingShot(label, frame if is_mine else frame.copy())
        with self._changed:
            has_room = self._changed.wait_for(
                lambda: self._is_closed or len(self._waiting) < self._max_waiting, timeout=timeout_s
            )
            if self._is_closed:
                raise SupportError("the queue of shots is closed; make a new one")
            if not has_room:
                raise QueueFullError(f"{len(self._waiting)} shots wait to be encoded; hand them in more slowly")
            self._waiting.append(shot)
            self._changed.notify_all()
        return shot.future

    def request_adapt(self) -> None:
        """Adapt in the background when no shot is waiting; many requests become one. With one class, nothing runs."""
        with self._changed:
            self._wants_adapt = True
            self._changed.notify_all()

    def wait_until_idle(self, timeout_s: float = 60.0) -> bool:
        """Wait until nothing waits or runs; False when that took too long."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._is_closed or not (self._waiting or self._is_busy or self._wants_adapt), timeout=timeout_s
            )

    def close(self) -> None:
        """Finish what runs, cancel what waits, end the thread; a second call does nothing."""
        with self._changed:
            self._is_closed = True
            cancelled = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for shot in cancelled:
            shot.future.cancel()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
                while not (self._is_closed or self._waiting or self._wants_adapt):
                    self._changed.wait(_POLL_S)
                    self._is_closed = self._is_closed or not threading.main_thread().is_alive()
                if self._is_closed:
                    return
                self._is_busy = True
                shots = self._next_shots()
                is_due = not self._waiting and not shots and self._wants_adapt
                self._wants_adapt = self._wants_adapt and not is_due
                self._changed.notify_all()  # there is room now
            if shots and self._encode(shots) and self._adapts:
                self._wants_adapt = True
            if is_due:
                self._adapt()

    def _next_shots(self) -> list[_WaitingShot]:
        shots: list[_WaitingShot] = []
        n_most = self._max_batch
        while self._waiting and len(shots) < n_most and (not shots or self._waiting[0].label == shots[0].label):
            shot = self._waiting.popleft()
            if shot.future.set_running_or_notify_cancel():
                shots.append(shot)
        return shots

    def _encode(self, shots: list[_WaitingShot]) -> bool:
        """Encode shots of one class in one run; whether any was added."""
        try:
            ids = self._session.add(shots[0].label, [shot.frame for shot in shots])
        except Exception as error:  # whoever handed it in is told; the thread must go on
            if len(shots) > 1:  # one bad frame must not take the others with it
                return any([self._encode([shot]) for shot in shots])
            shots[0].future.set_exception(error)
            return False
        for shot, shot_id in zip(shots, ids, strict=True):
            shot.future.set_result(shot_id)
        return True

    def _adapt(self) -> None:
        if len(self._session.labels) < 2:
            return
        outcome: AdaptReport | HyperflowRuntimeError
        try:
            outcome = self._session.adapt()
        except HyperflowRuntimeError as error:
            outcome = error
        except Exception as error:  # a backend of one's own may raise anything; the thread must go on
            outcome = BackendError(f"adapting failed ({type(error).__name__}: {error})")
        if self._on_adapted is None:
            return
        try:
            self._on_adapted(outcome)
        except Exception:
            _LOG.exception("on_adapted failed; the queue goes on")

    def __enter__(self) -> ShotQueue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
