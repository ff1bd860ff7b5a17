"""What all windows share: one session, its classes, and one history of everything that was changed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from hyperflow_runtime import AdaptReport, HyperflowRuntimeError, Session
from hyperflow_runtime.frames import Frame
from hyperflow_runtime.live.shot_queue import ShotQueue
from hyperflow_runtime.support import Shot
from server.cards import Card, Cards, checked_name
from server.history import History, Step
from server.problems import Problem

__all__ = ["Workspace"]

_MAX_WAITING = 32
_ADAPT_WAIT_S = 30.0
_LEAST_WAYS = 2


class Workspace:
    """The session with its classes. Any thread may call it; edits go one after the other.

    A session knows a class while it has shots; here a class stays until it is deleted. Shots are encoded in the
    background, and every other edit waits until they are, so that a shot never lands in a class that was renamed or
    deleted meanwhile. After each change the session is adapted in the background.
    """

    def __init__(self, session: Session, *, max_ways: int, on_change: Callable[[], None]) -> None:
        """Start with the classes that the session has.

        Args:
            session: Nobody else edits it.
            max_ways: Most classes.
            on_change: Called after each change, from any thread; must not block.
        """
        self._session, self._max_ways, self._on_change = session, max_ways, on_change
        self._class_numbers = itertools.count(1)
        self._turn = threading.Lock()  # who may edit next; held while waiting for shots
        self._changed = threading.Condition(threading.RLock())  # guards all that follows; held for moments
        self._cards = Cards()
        self._history = History()
        self._adaptation_name: str | None = None
        self._n_waiting = 0
        self._version = 0
        self._failure: str | None = None
        self._queue = ShotQueue(
            session, max_waiting=_MAX_WAITING, max_batch=1, adapt=False, on_adapted=self._adapted
        )  # one shot, one edit, one step to undo

    @contextmanager
    def locked(self) -> Iterator[Workspace]:
        """Hold everything still, to look at several properties at once."""
        with self._changed:
            yield self

    @property
    def session(self) -> Session:
        """The session, to predict with and to look at."""
        return self._session

    @property
    def cards(self) -> Cards:
        """The classes."""
        return self._cards

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._version

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return len(self._history) > 0

    @property
    def n_waiting(self) -> int:
        """Shots that were taken and not yet encoded."""
        return self._n_waiting

    @property
    def adaptation_name(self) -> str | None:
        """Name under which the session was saved or loaded last."""
        return self._adaptation_name

    @property
    def failure(self) -> str | None:
        """Why the last adaptation failed; None when it did not."""
        return self._failure

    @property
    def is_adapting(self) -> bool:
        """Whether an adaptation is under way, or about to be."""
        return self._failure is None and self._can_adapt()

    def create_class(self, name: str) -> Card:
        """Add a class without shots.

        Raises:
            Problem: 422, a bad name; 409, the name is taken, or no more classes fit.
        """
        name = checked_name(name)
        with self._editing():
            if len(self._cards.cards) >= self._max_ways:
                raise Problem(
                    409, f"This bundle tells at most {self._max_ways} classes apart; delete one first, or export a "
                    "bundle with a larger --max-ways."
                )  # fmt: skip
            self._record(self._cards.with_new(self._new_id(), name))
            return self._cards.cards[-1]

    def rename_class(self, class_id: str, name: str) -> Card:
        """Give a class another name.

        Raises:
            Problem: 404, it is gone; 422, a bad name; 409, the name is taken.
        """
        name = checked_name(name)
        with self._editing():
            old = self._cards.get(class_id)
            renamed = self._cards.with_name(class_id, name)
            if old.name != name:
                n_edits = self._n_edits_of(old, lambda: self._session.rename_class(old.name, name))
                self._record(renamed, n_edits)
            return self._cards.get(class_id)

    def delete_class(self, class_id: str) -> None:
        """Delete a class with its shots.

        Raises:
            Problem: 404, it is gone.
        """
        with self._editing():
            card = self._cards.get(class_id)
            n_edits = self._n_edits_of(card, lambda: self._session.remove_class(card.name))
            self._record(self._cards.without(class_id), n_edits)

    def _n_edits_of(self, card: Card, edit: Callable[[], object]) -> int:
        """Edit the session, which knows only classes with shots; return the number of edits, 0 or 1."""
        if card.name not in self._session.labels:
            return 0
        edit()
        return 1

    def offer_shot(self, class_id: str, image_bgr: Frame) -> Future[int]:
        """Add a picture to a class, in the background.

        Returns:
            The shot's id, once it is encoded.

        Raises:
            Problem: 404, the class is gone.
            QueueFullError: Shots come faster than they are encoded.
        """
        with self._turn:
            future = self._queue.offer(self._cards.get(class_id).name, image_bgr)
            with self._changed:
                self._n_waiting += 1
                self._version += 1
            future.add_done_callback(self._shot_done)
        self._on_change()
        return future

    def _shot_done(self, future: Future[int]) -> None:
        with self._changed:
            self._n_waiting -= 1
            self._version += 1
            if not future.cancelled() and future.exception() is None:
                self._record(self._cards, 1)
            self._changed.notify_all()
        self._announce()

    def delete_shot(self, shot_id: int) -> None:
        """Delete one shot; its class stays.

        Raises:
            Problem: 404, it is gone.
        """
        with self._editing():
            self.shot(shot_id)
            self._session.remove(shot_id)
            self._record(self._cards, 1)

    def shot(self, shot_id: int) -> Shot:
        """Return a shot.

        Raises:
            Problem: 404, it is gone.
        """
        for shot in self._session.shots:
            if shot.shot_id == shot_id:
                return shot
        raise Problem(404, "This picture was already deleted, perhaps in another window.")

    def clear(self) -> None:
        """Delete all classes."""
        with self._editing():
            labels = self._session.labels
            for label in labels:
                self._session.remove_class(label)
            if self._cards.cards:
                self._record(Cards(), len(labels))
                self._adaptation_name = None

    def undo(self) -> None:
        """Take back the last change.

        Raises:
            Problem: 409, there is none.
        """
        with self._editing():
            if not self.can_undo:
                raise Problem(409, "There is nothing to undo.")
            step = self._history.pop()
            for _ in range(step.n_edits):
                self._session.undo()
            self._cards, self._adaptation_name = step.cards, step.adaptation_name
            self._note_change()

    def load(self, path: Path, name: str) -> None:
        """Put a saved adaptation in the place of what there is.

        Raises:
            AdaptationFileError: Missing, torn, or of another bundle; nothing is changed.
        """
        with self._editing():
            self._session.load(path)
            self._record(Cards.of_names(self._session.labels, iter(self._new_id, "")), 1)
            self._adaptation_name = name

    def save(self, path: Path, name: str, *, overwrite: bool) -> None:
        """Write the session to a file, once what is under way is done.

        Raises:
            AdaptationError: There is no adaptation of what there is.
            AdaptationFileError: The file cannot be written.
        """
        with self._turn:
            self._queue.wait_until_idle(_ADAPT_WAIT_S)
            self._session.save(path, overwrite=overwrite)
            with self._changed:
                self._adaptation_name = name
                self._version += 1
        self._on_change()

    def forget_name(self, name: str) -> None:
        """Take note that a saved adaptation is no more."""
        with self._changed:
            if self._adaptation_name == name:
                self._adaptation_name = None
                self._version += 1
        self._on_change()

    def close(self) -> None:
        """Stop the work in the background."""
        self._queue.close()

    def _new_id(self) -> str:
        return f"c{next(self._class_numbers)}"

    @contextmanager
    def _editing(self) -> Iterator[None]:
        """Take the turn, wait until all shots are encoded, hold everything still, and announce the change."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._n_waiting == 0)
            yield
        self._announce()

    def _record(self, cards: Cards, n_edits: int = 0) -> None:
        """Put new classes in force, and remember how to take that back."""
        self._history.push(Step(self._cards, self._adaptation_name, n_edits))
        self._cards = cards
        self._note_change()

    def _note_change(self) -> None:
        self._version += 1
        self._failure = None

    def _can_adapt(self) -> bool:
        return self._session.is_stale and len(self._session.labels) >= _LEAST_WAYS

    def _announce(self) -> None:
        """Adapt if there is reason to, and tell everybody. Holds no lock, as the queue has locks of its own."""
        if self.is_adapting:
            self._queue.request_adapt()
        self._on_change()

    def _adapted(self, outcome: AdaptReport | HyperflowRuntimeError) -> None:
        with self._changed:
            self._version += 1
            self._failure = str(outcome) if isinstance(outcome, HyperflowRuntimeError) else None
        self._announce()  # an edit meanwhile, undo above all, may have left it stale
