"""From the live classifier to pictures with answers, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from hyperflow_runtime import HyperflowRuntimeError, SmoothedAnswer
from hyperflow_runtime.cameras.source import EndOfSource
from hyperflow_runtime.live.classifying import LiveAnswer, LiveClassifier
from server.cards import Cards
from server.live_schemas import Answer, LiveMessage
from server.maps import MapMaker
from server.pictures import frame_jpeg
from server.windows import Picture
from server.workspace import Workspace

__all__ = ["LiveFeed"]

_LOG = logging.getLogger(__name__)
_POLL_S = 0.5
_PAUSE_S = 0.2


class LiveFeed:
    """Encodes the newest frame, once for all windows, whenever one of them waits for it."""

    def __init__(
        self, live: LiveClassifier, workspace: Workspace, maps: MapMaker, deliver: Callable[[Picture], None]
    ) -> None:
        """Start the thread.

        Args:
            live: Gives the answers.
            workspace: Knows the classes.
            maps: Knows where a frame lies.
            deliver: Called in the thread, with each picture.
        """
        self._live, self._workspace, self._maps, self._deliver = live, workspace, maps, deliver
        self._wanted, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="live feed", daemon=True)
        self._thread.start()

    def ask(self, *, want_picture: bool, want_direct: bool) -> None:
        """Say whether any window waits for a picture, and whether any shows answers without adapting."""
        if self._live.compare != want_direct:
            self._live.compare = want_direct
        if want_picture:
            self._wanted.set()
        else:
            self._wanted.clear()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        after = -1
        while not self._closing.is_set():
            if not self._wanted.wait(_POLL_S) or self._closing.is_set():
                continue
            try:
                answer = self._live.wait(after=after, timeout_s=_POLL_S)
            except (HyperflowRuntimeError, EndOfSource):  # no camera for now: its state tells the windows
                self._closing.wait(_PAUSE_S)
                continue
            after = answer.frame.index
            try:
                self._deliver(Picture(self._message(answer), frame_jpeg(answer.frame.image_bgr)))
            except Exception:  # one frame must not end the pictures of all windows
                _LOG.exception("frame %d could not be shown", after)
                self._closing.wait(_PAUSE_S)

    def _message(self, answer: LiveAnswer) -> LiveMessage:
        cards, smoothed = self._workspace.cards, answer.smoothed
        label = smoothed.label if smoothed else None
        return LiveMessage(
            index=answer.frame.index,
            ready=smoothed is not None,
            label=label,
            class_id=label and cards.id_of(label),
            unknown=smoothed is not None and label is None,
            probability=_share(smoothed.probability) if smoothed else 0.0,
            scores=_by_id(smoothed.scores, cards) if smoothed else {},
            direct=_direct(answer.direct_smoothed, cards),
            truth=answer.frame.label,
            latency_ms=1e3 * (answer.answered_s - answer.frame.captured_s),
            timings_ms=dict(answer.timings_ms),
            fps=self._live.status.fps,
            map=self._maps.places(answer.direct, answer.prediction),
            error=answer.error,
        )


def _direct(smoothed: SmoothedAnswer | None, cards: Cards) -> Answer | None:
    if smoothed is None:
        return None
    return Answer(
        label=smoothed.label,
        class_id=smoothed.label and cards.id_of(smoothed.label),
        unknown=smoothed.label is None,
        probability=_share(smoothed.probability),
        scores=_by_id(smoothed.scores, cards),
    )


def _by_id(scores: Mapping[str, float], cards: Cards) -> dict[str, float]:
    """Return scores by class id; a class that was deleted a moment ago has none."""
    ids = {card.name: card.class_id for card in cards.cards}
    return {ids[label]: float(score) for label, score in scores.items() if label in ids}


def _share(probability: float) -> float:
    return min(max(float(probability), 0.0), 1.0)
