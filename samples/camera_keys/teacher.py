"""What the keys do to the session: add a picture, undo, clear, save."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime import AdaptReport, HyperflowRuntimeError, Session
from hyperflow_runtime.live.shot_queue import ShotQueue
from journal import Journal

__all__ = ["Teacher"]

_BETWEEN_SHOTS_S = 0.2  # pictures of one class: a key that is held repeats faster, and the views would be all alike
_CLEAR_AGAIN_S = 2.0
_LONGEST_WAIT_S = 30.0


class Teacher:
    """Changes a session on behalf of keys, without ever making the picture wait. A context manager."""

    def __init__(
        self, session: Session, names: Mapping[int, str], journal: Journal, *, save_to: Path, in_step: bool
    ) -> None:
        """Start the queue that encodes pictures and adapts in the background.

        Args:
            session: Of the run.
            names: Class of each number key.
            journal: Is told of everything.
            save_to: File of the adaptation.
            in_step: Wait after each change until it is learned, so that every run of a script is the same.
        """
        self.names = names
        self._session, self._journal, self._save_to, self._in_step = session, journal, save_to, in_step
        self._outcomes: SimpleQueue[AdaptReport | HyperflowRuntimeError] = SimpleQueue()
        self._queue = ShotQueue(session, max_batch=1, on_adapted=self._outcomes.put)
        self._waiting: list[tuple[str, Future[int]]] = []
        self._last_shot_s: dict[int, float] = {}
        self._last_clear_s = -math.inf
        self._is_saved = True

    def __enter__(self) -> Teacher:
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.close()

    def add(self, key: int, image_bgr: NDArray[np.uint8], at_s: float) -> bool:
        """Add a picture to the class of a key, unless the last one was a moment ago.

        Args:
            key: 0..9.
            image_bgr: The frame.
            at_s: Its time.

        Returns:
            Whether it was taken.
        """
        if at_s - self._last_shot_s.get(key, -math.inf) < _BETWEEN_SHOTS_S - 1e-6:
            return False
        label = self.names[key]
        try:
            self._waiting.append((label, self._queue.offer(label, image_bgr)))
        except HyperflowRuntimeError as error:
            self._journal.say("refused", f"{label}: {error}", label=label)
            return False
        self._last_shot_s[key] = at_s
        self._is_saved = False
        self._keep_step()
        return True

    def undo(self) -> None:
        """Take back the last change."""
        self._queue.wait_until_idle(_LONGEST_WAIT_S)
        if not self._session.can_undo:
            self._journal.say("refused", "nothing to undo")
            return
        self._session.undo()
        self._is_saved = False
        self._journal.say("undone", "undone", n_shots=dict(self._session.n_shots))
        self._learn_again()

    def clear(self, at_s: float) -> None:
        """Forget every class, when asked a second time within two seconds."""
        if at_s - self._last_clear_s > _CLEAR_AGAIN_S:
            self._last_clear_s = at_s
            self._journal.say("asked", "c again to forget every class")
            return
        self._last_clear_s = -math.inf
        self._queue.wait_until_idle(_LONGEST_WAIT_S)
        for label in self._session.labels:
            self._session.remove_class(label)
        self._journal.say("cleared", "every class forgotten; u brings them back, one by one")

    def save(self) -> None:
        """Write the adaptation, in one step."""
        self._queue.wait_until_idle(_LONGEST_WAIT_S)
        try:
            if self._session.is_stale:
                self._session.adapt()
            self._session.save(self._save_to, overwrite=True)
        except HyperflowRuntimeError as error:
            self._journal.say("refused", f"not saved: {error}")
            return
        self._is_saved = True
        self._journal.say("saved", f"saved as {self._save_to}", file=str(self._save_to))

    @property
    def has_unsaved(self) -> bool:
        """Whether there is something to save that was not."""
        return not self._is_saved and len(self._session.labels) > 1

    def report_news(self) -> None:
        """Tell of pictures that were encoded, and of adaptations that ended, since the last call."""
        still_waiting = []
        for label, shot in self._waiting:
            if not shot.done():
                still_waiting.append((label, shot))
            elif shot.exception() is not None:
                self._journal.say("refused", f"{label}: {shot.exception()}", label=label)
            else:
                n = self._session.n_shots.get(label, 0)
                self._journal.say("shot", f"{label}: picture {n}", label=label, n_shots=n)
        self._waiting = still_waiting
        while True:
            try:
                outcome = self._outcomes.get_nowait()
            except Empty:
                return
            self._tell_outcome(outcome)

    def _tell_outcome(self, outcome: AdaptReport | HyperflowRuntimeError) -> None:
        if isinstance(outcome, HyperflowRuntimeError):
            self._journal.say("refused", f"not adapted: {outcome}")
            return
        total_ms, accuracy = outcome.timings_ms["total"], outcome.leave_one_out_accuracy
        self._journal.say(
            "adapted", f"adapted in {total_ms:.0f} ms", is_shown=False, total_ms=round(total_ms, 2),
            step_size=outcome.step_size, leave_one_out_accuracy=accuracy, notes=list(outcome.notes),
        )  # fmt: skip

    def _learn_again(self) -> None:
        if self._session.is_stale:
            self._queue.request_adapt()
        self._keep_step()

    def _keep_step(self) -> None:
        if self._in_step:
            self._queue.wait_until_idle(_LONGEST_WAIT_S)
            self.report_news()
