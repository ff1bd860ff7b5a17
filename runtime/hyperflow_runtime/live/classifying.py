"""A session that follows a camera: the newest frame, answered in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from types import TracebackType

from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.captured import CapturedFrame
from hyperflow_runtime.cameras.source import EndOfSource
from hyperflow_runtime.errors import AdaptationError, CameraError
from hyperflow_runtime.live.answer import LiveAnswer, LiveStatus
from hyperflow_runtime.live.budget import FrameBudget
from hyperflow_runtime.live.smoothing import SmoothedAnswer, Smoother
from hyperflow_runtime.results import Prediction
from hyperflow_runtime.session import Session

__all__ = ["LiveAnswer", "LiveClassifier", "LiveStatus"]

_POLL_S = 0.2  # `close` waits for no longer
_RATE_OVER_S = 2.0


class LiveClassifier:
    """Answers for the newest frame of a camera, one after the other, while the session learns.

    A frame that arrives during the work of another is passed over when a newer one has come by then. Any number of
    threads may wait for answers. Nothing ends it but `close` and the end of a file: a camera that is gone, a session
    that is not adapted and a frame that fails are told in the answers and in `status`.

    Attributes:
        compare: Whether frames are answered without adapting as well; may be switched at any time.

    Example:
        >>> with open_camera("synthetic://") as camera, LiveClassifier(camera, session) as live:  # doctest: +SKIP
        ...     answer = live.wait()
        ...     print(answer.smoothed.label or "unknown", answer.timings_ms["total"])
    """

    def __init__(
        self, camera: Camera, session: Session, *, smoother: Smoother | None = None, budget_ms: float | None = None,
        compare: bool = False,
    ) -> None:  # fmt: skip
        """Start answering.

        Args:
            camera: Stays the caller's to close.
            session: Likewise; any thread may go on to edit and adapt it.
            smoother: Used in the classifier's thread alone from now on; None for none.
            budget_ms: Mean work for each captured frame, in milliseconds; see `FrameBudget`.
            compare: See the attribute.

        Raises:
            ValueError: `budget_ms` is not above 0.
        """
        self.compare = compare
        self._camera, self._session, self._smoother = camera, session, smoother
        self._direct_smoother = None if smoother is None else smoother.another()
        self._budget = FrameBudget(budget_ms)
        self._changed = threading.Condition()
        self._newest: LiveAnswer | None = None
        self._answer_times: deque[float] = deque(maxlen=512)
        self._n_answered = self._n_skipped = 0
        self._has_ended, self._closing = False, threading.Event()
        # Not a daemon: a process that ends while a graph runs would abort. It sees the main thread's end by itself.
        self._thread = threading.Thread(target=self._run, name="hyperflow-live")
        self._thread.start()

    @property
    def newest(self) -> LiveAnswer | None:
        """The last answer, None before the first."""
        return self._newest

    @property
    def status(self) -> LiveStatus:
        """How it is doing now."""
        with self._changed:
            now_s = time.monotonic()
            recent = [at for at in self._answer_times if now_s - at <= _RATE_OVER_S]
            fps = (len(recent) - 1) / max(recent[-1] - recent[0], now_s - recent[-1], 1e-6) if recent else 0.0
            error = None if self._newest is None else self._newest.error
            return LiveStatus(fps, self._n_answered, self._n_skipped, error, self._has_ended)

    def wait(self, after: int = -1, *, timeout_s: float = 5.0) -> LiveAnswer:
        """Wait for the answer of a frame that is newer than one already seen.

        Args:
            after: Index of that frame; -1 for any.
            timeout_s: Seconds.

        Raises:
            CameraError: No answer in time, with what the camera says; or closed.
            EndOfSource: The camera's file is over.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_new(after) or self._is_over, timeout=timeout_s)
            if self._newest is not None and self._newest.frame.index > after:
                return self._newest
            if self._has_ended:
                raise EndOfSource(f"{self._camera.status.description} is over")
        if self._closing.is_set():
            raise CameraError("the live classifier is closed; make a new one")
        status = self._camera.status
        raise CameraError(status.last_error or f"no new frame of {status.description} within {timeout_s:g} s")

    def _is_new(self, after: int) -> bool:
        return self._newest is not None and self._newest.frame.index > after

    @property
    def _is_over(self) -> bool:
        return self._has_ended or self._closing.is_set()

    def close(self) -> None:
        """End the thread; a second call does nothing. The camera and the session stay open."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        after = last_to_skip = -1
        while not self._closing.is_set() and threading.main_thread().is_alive():
            try:
                frame = self._camera.read(after=after, timeout_s=_POLL_S)
            except EndOfSource:
                return self._end()
            except CameraError:  # its status tells; it may come back
                self._closing.wait(0.0 if self._camera.status.state == "live" else 0.1)
                continue
            after = frame.index
            if frame.index > last_to_skip:
                start_s = time.monotonic()
                self._publish(self._answer(frame, start_s))
                last_to_skip = frame.index + self._budget.spend((time.monotonic() - start_s) * 1e3)

    def _end(self) -> None:
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _answer(self, frame: CapturedFrame, start_s: float) -> LiveAnswer:
        was_adapted = self._session.is_adapted
        prediction: Prediction | None = None
        smoothed: SmoothedAnswer | None = None
        error: str | None = None
        try:
            prediction = self._session.predict(frame.image_bgr)
            smoothed = None if self._smoother is None else self._smoother.update(prediction, frame.captured_s)
        except AdaptationError as failure:
            is_adapted = was_adapted and self._session.is_adapted  # it may have become so, or ceased, in between
            error = str(failure) if is_adapted else None
            if self._smoother is not None and not is_adapted:
                self._smoother.reset()
        except Exception as failure:  # a backend or a smoother of one's own may raise anything; the stream goes on
            error = str(failure) or type(failure).__name__
        direct = self._direct(frame) if self.compare and prediction is not None else None
        direct_smoothed = self._smoothed_direct(direct, frame.captured_s)
        answered_s = time.monotonic()
        timings_ms = {"capture_age": (start_s - frame.captured_s) * 1e3}
        timings_ms |= {} if prediction is None else prediction.timings_ms
        timings_ms["total"] = (answered_s - frame.captured_s) * 1e3
        return LiveAnswer(frame, prediction, direct, smoothed, direct_smoothed, timings_ms, answered_s, error)

    def _direct(self, frame: CapturedFrame) -> Prediction | None:
        try:
            return self._session.predict(frame.image_bgr, adapted=False)
        except Exception:  # a file without shots was loaded, the last class went just now, or as above
            return None

    def _smoothed_direct(self, direct: Prediction | None, at_s: float) -> SmoothedAnswer | None:
        if self._direct_smoother is None:
            return None
        if direct is None:
            self._direct_smoother.reset()
            return None
        return self._direct_smoother.update(direct, at_s)

    def _publish(self, answer: LiveAnswer) -> None:
        with self._changed:
            if self._newest is not None:
                self._n_skipped += max(answer.frame.index - self._newest.frame.index - 1, 0)
            self._newest, self._n_answered = answer, self._n_answered + 1
            self._answer_times.append(answer.answered_s)
            self._changed.notify_all()

    def __enter__(self) -> LiveClassifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
