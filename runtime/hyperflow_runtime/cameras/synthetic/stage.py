"""What the scene shows, and since when. Counted in frames, so that a scene can be played again exactly."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from hyperflow_runtime.cameras.synthetic.things import no_such_thing

__all__ = ["DeskStage", "Showing"]


@dataclass(frozen=True)
class Showing:
    """One thing, or the empty desk, from one frame on.

    Attributes:
        thing: Its name; None for the empty desk.
        number: How many showings came before.
        first_frame: Number of the frame that shows it first.
    """

    thing: str | None
    number: int
    first_frame: int


class DeskStage:
    """Implements `hyperflow_runtime.cameras.source.Stage`; the source alone calls `next_frame` and `rewind`."""

    def __init__(self, things: Sequence[str], *, dwell_frames: int, empty_frames: int) -> None:
        """Start by showing things in turn.

        Args:
            things: What can be shown, in the order in which it is shown.
            dwell_frames: How long each is shown, 1 or more.
            empty_frames: How long the desk is empty after each, 0 or more.
        """
        self._things = tuple(things)
        self._durations = (dwell_frames, empty_frames)
        self._lock = threading.Lock()
        self._in_turn, self._next_thing, self._next_frame = True, 1 % len(things), 0
        self._showing = Showing(self._things[0], 0, 0)

    @property
    def things(self) -> Sequence[str]:
        return self._things

    @property
    def shown(self) -> str | None:
        return self._showing.thing

    @property
    def in_turn(self) -> bool:
        return self._in_turn

    def show(self, thing: str | None) -> None:
        if thing is not None and thing not in self._things:
            raise no_such_thing(thing, self._things)
        with self._lock:
            self._in_turn = False
            if thing is not None:
                self._next_thing = (self._things.index(thing) + 1) % len(self._things)
            if thing != self._showing.thing:
                self._change_to(thing)

    def show_in_turn(self) -> None:
        with self._lock:
            self._in_turn = True

    def _change_to(self, thing: str | None) -> None:
        self._showing = Showing(thing, self._showing.number + 1, self._next_frame)

    def rewind(self) -> None:
        """Count frames and showings from 0 again; what is pinned stays pinned."""
        with self._lock:
            thing = self._things[0] if self._in_turn else self._showing.thing
            if self._in_turn:
                self._next_thing = 1 % len(self._things)
            self._next_frame = 0
            self._showing = Showing(thing, 0, 0)

    def next_frame(self) -> tuple[int, Showing]:
        """Return the number of the next frame, and what it shows."""
        with self._lock:
            number = self._next_frame
            dwell, empty = self._durations
            age = number - self._showing.first_frame
            if self._in_turn and age >= (empty if self._showing.thing is None else dwell):
                self._take_turn()
            self._next_frame += 1
            return number, self._showing

    def _take_turn(self) -> None:
        if self._showing.thing is not None and self._durations[1]:
            self._change_to(None)
            return
        thing = self._things[self._next_thing]
        self._next_thing = (self._next_thing + 1) % len(self._things)
        self._change_to(thing)
