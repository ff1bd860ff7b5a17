"""The loop: answers in, events out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from delivery.log import LOG
from delivery.outbox import Outbox
from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.source import EndOfSource
from hyperflow_runtime.errors import AdaptationFileError, CameraError
from hyperflow_runtime.live.classifying import LiveAnswer, LiveClassifier
from inspection.adaptation_watch import AdaptationWatch
from inspection.camera_watch import CameraWatch, Lost
from inspection.label_watch import LabelWatch
from inspection.progress import Progress
from inspection.service_manager import ServiceManager
from inspection.unknown_pictures import UnknownPictures
from line_events.event import (
    AdaptationChanged,
    AdaptationRefused,
    CameraBack,
    CameraLost,
    Heartbeat,
)
from line_events.stamping import Stamper

__all__ = ["Inspector", "Parts"]

_TICK_S = 0.25


@dataclass(frozen=True)
class Parts:
    """What an inspector works with; it owns none of it."""

    camera: Camera
    live: LiveClassifier
    adaptation: AdaptationWatch
    labels: LabelWatch
    pictures: UnknownPictures | None
    stamper: Stamper
    outbox: Outbox
    manager: ServiceManager
    reload_asked: threading.Event


class Inspector:
    """Watches a line until it is told to stop, or its source is over."""

    def __init__(self, parts: Parts, *, heartbeat_s: float) -> None:
        """Do nothing yet.

        Args:
            parts: Running.
            heartbeat_s: Between two heartbeats, seconds.
        """
        self._parts, self._heartbeat_s = parts, heartbeat_s
        self._camera_watch, self._progress = CameraWatch(time.monotonic()), Progress()
        self._next_heartbeat_s = time.monotonic() + heartbeat_s
        self._after, self._last_failure, self._is_warned = -1, "", False
        self._valid_from_s = 0.0  # frames captured before tell of a line, or of classes, that are no more

    def run(self, is_stopped: Callable[[], bool]) -> str:
        """Inspect.

        Args:
            is_stopped: Asked four times a second or more often.

        Returns:
            Why it ended.

        Raises:
            CameraError: The source failed for good.
        """
        while not is_stopped():
            try:
                answer = self._next_answer()
            except EndOfSource as end:
                return str(end)
            self._watch_camera()
            self._watch_adaptation()
            if answer is not None:
                self._take(answer)
            self._beat()
            status = self._parts.camera.status
            if status.state == "failed":
                raise CameraError(status.last_error or f"{status.description} failed")
        return "asked to stop"

    def _next_answer(self) -> LiveAnswer | None:
        try:
            answer = self._parts.live.wait(after=self._after, timeout_s=_TICK_S)
        except CameraError:
            return None
        self._after = answer.frame.index
        return answer

    def _take(self, answer: LiveAnswer) -> None:
        self._progress.answered(is_failure=answer.error is not None)
        failure = answer.error or ""
        if failure != self._last_failure:
            LOG.warning("%s", f"frames cannot be classified: {failure}" if failure else "frames are classified again")
            self._last_failure = failure
        if self._camera_watch.is_lost or answer.frame.captured_s < self._valid_from_s:
            return
        event = self._parts.labels.update(answer)
        if event is not None:
            self._parts.outbox.post(event)

    def _forget(self) -> None:
        self._valid_from_s = time.monotonic()
        self._parts.labels.forget()

    def _watch_camera(self) -> None:
        parts, status = self._parts, self._parts.camera.status
        for change in self._camera_watch.update(status, time.monotonic()):
            stamp = parts.stamper.stamp()
            if isinstance(change, Lost):
                parts.outbox.post(CameraLost(**stamp, camera=status.description, reason=change.reason))
                self._forget()
            else:
                parts.outbox.post(CameraBack(**stamp, camera=status.description, away_s=round(change.away_s, 3)))

    def _watch_adaptation(self) -> None:
        parts = self._parts
        is_due = parts.adaptation.is_due(time.monotonic())
        if not is_due and not parts.reload_asked.is_set():
            return
        parts.reload_asked.clear()
        name = parts.adaptation.path.name
        try:
            classes = parts.adaptation.reload()
        except AdaptationFileError as error:
            LOG.error("the adaptation in force stays: %s", error)
            parts.outbox.post(AdaptationRefused(**parts.stamper.stamp(), adaptation=name, reason=str(error)))
            return
        LOG.info("%s is in force, with %d classes", name, len(classes))
        parts.outbox.post(AdaptationChanged(**parts.stamper.stamp(), adaptation=name, classes=classes))
        self._forget()

    def _beat(self) -> None:
        now_s, status = time.monotonic(), self._parts.camera.status
        if self._has_nothing_to_do():
            self._progress.idle()
        if self._progress.is_stuck:
            self._warn_of_standstill()
        else:
            self._is_warned = False
            self._parts.manager.alive(f"camera {status.state}, label {self._parts.labels.label or 'unknown'}")
        if now_s >= self._next_heartbeat_s:
            self._next_heartbeat_s = now_s + self._heartbeat_s
            self._parts.outbox.post(self._heartbeat())

    def _has_nothing_to_do(self) -> bool:
        """Whether it is the line that is quiet, and not the inspector that needs a new start."""
        camera = self._parts.camera
        if camera.is_stuck:
            return False
        newest = camera.newest
        has_no_frame = newest is None or newest.index <= self._after
        return camera.status.state != "live" or (has_no_frame and not self._last_failure)

    def _warn_of_standstill(self) -> None:
        if not self._is_warned:
            what = "the camera's driver does not return" if self._parts.camera.is_stuck else "no frame is classified"
            LOG.error("%s; the watchdog is not fed, so that systemd starts the inspector anew", what)
        self._is_warned = True

    def _heartbeat(self) -> Heartbeat:
        parts, status, progress = self._parts, self._parts.camera.status, self._progress
        return Heartbeat(
            **parts.stamper.stamp(),
            uptime_s=round(progress.uptime_s, 1),
            label=parts.labels.label,
            camera_state=status.state,
            camera_fps=round(status.fps, 1),
            answers_per_s=round(progress.answers_per_s(), 2),
            n_answered=progress.n_answered,
            n_failed_answers=progress.n_failed,
            n_label_changes=parts.labels.n_changes,
            n_camera_losses=self._camera_watch.n_losses,
            n_pictures=0 if parts.pictures is None else parts.pictures.n_kept,
            sinks=parts.outbox.counts,
        )
