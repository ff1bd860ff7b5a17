"""The main loop: a frame, the keys, an answer, a picture. Start reading here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime import AdaptationError, Session
from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.live.smoothing import SmoothedAnswer, Smoother
from journal import Journal
from keys import HELP, Action, Key, action_of
from overlay import Overlay
from scoreboard import Scoreboard, rows_of
from script import Script, Show
from teacher import Teacher
from ticking import Tick, ticks, wait_until_prepared

__all__ = ["KeySource", "Limits", "Screen", "Teaching"]

_FLASH_S = 0.1


class KeySource(Protocol):
    """Where keys come from: a window, a terminal."""

    def pressed(self) -> list[Key]:
        """Return the keys since the last call, without waiting."""


class Screen(Protocol):
    """Where pictures go: a window, a video."""

    def show(self, canvas: NDArray[np.uint8], at_s: float) -> None:
        """Show a canvas, BGR, (H, W, 3), `at_s` seconds after the first."""


@dataclass(frozen=True)
class Limits:
    """When to stop: after so many seconds, or frames; None for no such limit."""

    seconds: float | None = None
    frames: int | None = None


class Teaching:
    """Shows a camera to a session, and lets keys teach it."""

    def __init__(self, camera: Camera, session: Session, teacher: Teacher, journal: Journal, overlay: Overlay) -> None:
        """Put the parts together; `run` does the rest."""
        self._camera, self._session, self._teacher = camera, session, teacher
        self._journal, self._overlay = journal, overlay
        self._smoother = Smoother()
        self._is_before = self._is_mirrored = self._is_help = self._is_over = False
        self._held_bgr: NDArray[np.uint8] | None = None
        self._answer: SmoothedAnswer | None = None
        self._told_label: str | None = ""
        self._last_shot_s = -1.0
        self._predict_ms = 0.0
        self._had_trouble = False

    def run(
        self, script: Script, keys: Sequence[KeySource], screens: Sequence[Screen], *, fps: float | None, limits: Limits
    ) -> None:
        """Go on until a key, a limit or the end of the source.

        Args:
            script: Keys, and things to show, at given times.
            keys: Where other keys come from.
            screens: Where pictures go.
            fps: See `ticks`.
            limits: When to stop.

        Raises:
            CameraError: The camera has failed for good.
        """
        self._tell_camera()
        n_frames = 0
        for tick in ticks(self._camera, fps=fps):
            if limits.seconds is not None and tick.at_s >= limits.seconds:
                return
            self._journal.turn_to(tick.frame.index, tick.at_s)
            self._tell_trouble(tick)
            image_bgr = tick.frame.image_bgr if self._held_bgr is None else self._held_bgr
            for key in self._due(script, tick, is_in_step=fps is not None) + [
                key for source in keys for key in source.pressed()
            ]:
                self._press(key, image_bgr, tick.at_s)
            self._teacher.report_news()
            if tick.is_new:
                self._answer = self._ask(image_bgr, tick.at_s)
                self._tell_label(tick.frame.label)
            if screens:
                canvas = self._overlay.draw(image_bgr, self._scoreboard(tick.at_s))
                for screen in screens:
                    screen.show(canvas, tick.at_s)
            n_frames += tick.is_new
            if self._is_over or n_frames == limits.frames:
                return

    def _tell_camera(self) -> None:
        status, names = self._camera.status, list(self._teacher.names.values())
        text = f"{status.description}, {status.width} x {status.height}; h: help, q: quit"
        size = {"width": status.width, "height": status.height}
        self._journal.say("ready", text, is_shown=False, camera=status.description, names=names, **size)

    def _due(self, script: Script, tick: Tick, *, is_in_step: bool) -> list[Key]:
        keys = []
        for what in script.due(tick.frame.index, tick.at_s):
            if isinstance(what, Show):
                if is_in_step:
                    wait_until_prepared(self._camera, tick.frame)
                self._change_scene(what)
            else:
                keys.append(what)
        return keys

    def _change_scene(self, what: Show) -> None:
        stage = self._camera.stage
        assert stage is not None  # looked at before the start
        if what.in_turn:
            stage.show_in_turn()
        else:
            stage.show(what.thing)

    def _press(self, key: Key, image_bgr: NDArray[np.uint8], at_s: float) -> None:
        action = action_of(key)
        if action is Action.ADD:
            if self._teacher.add(int(key), image_bgr, at_s):
                self._last_shot_s = at_s
        elif action is Action.CLEAR:
            self._teacher.clear(at_s)
        elif action is Action.UNDO:
            self._teacher.undo()
        elif action is Action.SAVE:
            self._teacher.save()
        elif action is not None:
            self._change_view(action, image_bgr)

    def _change_view(self, action: Action, image_bgr: NDArray[np.uint8]) -> None:
        if action is Action.BEFORE_AFTER:
            self._is_before = not self._is_before
            self._smoother.reset()
            self._journal.say("view", "answers without the adaptation" if self._is_before else "answers as adapted")
        elif action is Action.MIRROR:
            self._is_mirrored = not self._is_mirrored
        elif action is Action.PAUSE:
            self._held_bgr = image_bgr if self._held_bgr is None else None
        elif action is Action.HELP:
            self._is_help = not self._is_help
            if self._is_help:
                lines = "\n".join(f"  {keys:8} {meaning}" for keys, meaning in HELP)
                self._journal.say("help", f"keys\n{lines}", is_shown=False)
        elif action is Action.QUIT:
            self._is_over = True

    def _ask(self, image_bgr: NDArray[np.uint8], at_s: float) -> SmoothedAnswer | None:
        started_s = time.perf_counter()
        try:
            prediction = self._session.predict(image_bgr, adapted=not self._is_before)
        except AdaptationError:  # fewer than two classes so far
            self._smoother.reset()
            return None
        self._predict_ms += 0.1 * ((time.perf_counter() - started_s) * 1000 - self._predict_ms)
        return self._smoother.update(prediction, at_s)

    def _tell_label(self, seen: str | None) -> None:
        label = "" if self._answer is None else self._answer.label
        if label == self._told_label:
            return
        self._told_label = label
        if self._answer is not None:
            scores = {name: round(score, 4) for name, score in self._answer.scores.items()}
            text = f"{label}  {self._answer.probability:.0%}" if label else "unknown"
            self._journal.say("label", text, is_shown=False, label=label, scores=scores, seen=seen)

    def _tell_trouble(self, tick: Tick) -> None:
        if tick.trouble is not None:
            if not self._had_trouble:
                self._journal.say("camera", f"camera lost, trying again: {tick.trouble}")
            self._had_trouble = True
        elif self._had_trouble and tick.is_new:
            self._journal.say("camera", "the camera is back")
            self._had_trouble = False

    def _scoreboard(self, at_s: float) -> Scoreboard:
        answer, names = self._answer, self._teacher.names
        n_shots = self._session.n_shots
        key = next((key for key, name in names.items() if answer is not None and name == answer.label), None)
        return Scoreboard(
            headline=_next_step(n_shots) if answer is None else answer.label or "unknown",
            headline_key=key,
            probability=None if answer is None else answer.probability,
            rows=rows_of(names, n_shots, None if answer is None else answer.scores),
            facts=self._facts(),
            message="paused: space goes on" if self._held_bgr is not None else self._journal.message,
            is_flashing=0 <= at_s - self._last_shot_s < _FLASH_S,
            is_help=self._is_help,
            is_mirrored=self._is_mirrored,
        )

    def _facts(self) -> tuple[str, ...]:
        facts = [f"{self._camera.status.fps:.0f} fps"]
        if self._answer is not None:
            facts[0] += f", {self._predict_ms:.1f} ms an answer"
        report = self._session.report
        if report is not None:
            facts.append(f"adapted in {report.timings_ms['total']:.0f} ms")
            before = next((c.leave_one_out_accuracy for c in report.candidates if c.step_size == 0.0), None)
            after = report.leave_one_out_accuracy
            if before is not None and after is not None:
                facts.append(f"leave-one-out {before:.0%} → {after:.0%}")
        facts.append("without the adaptation (b)" if self._is_before else "h: help")
        return tuple(facts)


def _next_step(n_shots: dict[str, int]) -> str:
    return ("show a thing, hold 1", "another thing, hold 2")[min(1, len(n_shots))] if len(n_shots) < 2 else "learning …"
