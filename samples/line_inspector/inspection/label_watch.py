"""Which label holds, and the pictures of what has none."""

from __future__ import annotations

from dataclasses import dataclass

from delivery.log import LOG
from hyperflow_runtime.cameras.captured import CapturedFrame
from hyperflow_runtime.live.classifying import LiveAnswer
from hyperflow_runtime.live.smoothing import SmoothedAnswer, Smoother
from inspection.unknown_pictures import UnknownPictures
from line_events.event import LabelChanged
from line_events.stamping import Stamper

__all__ = ["LabelWatch", "Origin"]


@dataclass(frozen=True)
class Origin:
    """Where labels come from: `adaptation` is a file's name, `bundle` a model's."""

    adaptation: str
    bundle: str


class LabelWatch:
    """Makes an event of each change of the label."""

    def __init__(
        self, stamper: Stamper, origin: Origin, pictures: UnknownPictures | None, *, hold_s: float, every_s: float
    ) -> None:
        """Begin without a label.

        Args:
            stamper: Numbers the events.
            origin: For the events.
            pictures: None keeps no pictures.
            hold_s: A label must hold so long before it counts, seconds.
            every_s: Between two pictures of the same spell of unknown things, seconds.
        """
        self._stamper, self._origin, self._pictures, self._every_s = stamper, origin, pictures, every_s
        # Not the live classifier's own: this one is forgotten together with the label.
        self._hold_s, self._smoother = hold_s, Smoother(hold_s=hold_s)
        self.label: str | None = None
        self._has_label = False
        self._leading: tuple[str | None, float] | None = None  # before the first label: what leads, and since when
        self._last_unknown_id, self._last_picture_s = "", 0.0
        self.n_changes = 0

    def forget(self) -> None:
        """What was seen holds no longer; the next label that holds makes an event, whatever it is."""
        self._has_label, self.label, self._leading = False, None, None
        self._smoother.reset()

    def update(self, answer: LiveAnswer) -> LabelChanged | None:
        """Take an answer; return an event if the label changed, or is the first one."""
        if answer.prediction is None:
            return None
        smoothed = self._smoother.update(answer.prediction, answer.frame.captured_s)
        if self._has_label and smoothed.label == self.label:
            if self.label is None and answer.answered_s - self._last_picture_s >= self._every_s:
                self._picture(answer.frame, self._last_unknown_id, answer.answered_s)
            return None
        if not self._has_label and not self._has_held(smoothed, answer.frame.captured_s):
            return None
        return self._changed(answer, smoothed)

    def _has_held(self, smoothed: SmoothedAnswer, at_s: float) -> bool:
        """Whether the first label has led for long enough; a smoother takes it at once, on the word of one frame."""
        leader = None if smoothed.unknown_share > 0.5 else max(smoothed.scores, key=smoothed.scores.__getitem__)
        if self._leading is None or self._leading[0] != leader:
            self._leading = (leader, at_s)
        return leader == smoothed.label and at_s - self._leading[1] >= self._hold_s

    def _changed(self, answer: LiveAnswer, smoothed: SmoothedAnswer) -> LabelChanged:
        stamp = self._stamper.stamp()
        picture = None
        if smoothed.label is None:
            self._last_unknown_id = stamp["id"]
            picture = self._picture(answer.frame, stamp["id"], answer.answered_s)
        event = LabelChanged(
            **stamp,
            label=smoothed.label,
            previous=self.label,
            probability=_share(smoothed.probability),
            scores={label: _share(score) for label, score in smoothed.scores.items()},
            frame_index=answer.frame.index,
            latency_ms=round(max(answer.timings_ms["total"], 0.0), 1),
            picture=picture,
            adaptation=self._origin.adaptation,
            bundle=self._origin.bundle,
        )
        self._has_label, self.label = True, smoothed.label
        self.n_changes += 1
        return event

    def _picture(self, frame: CapturedFrame, event_id: str, now_s: float) -> str | None:
        if self._pictures is None:
            return None
        self._last_picture_s = now_s
        try:
            return self._pictures.keep(frame.image_bgr, event_id)
        except OSError as error:
            LOG.warning("a picture of something unknown could not be kept (%s); free some space", error)
            return None


def _share(value: float) -> float:
    return round(min(max(float(value), 0.0), 1.0), 4)
