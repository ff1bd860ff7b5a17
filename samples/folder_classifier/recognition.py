"""Teach a session from folders and ask it about photos, without and with adaptation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperflow_runtime import AdaptReport, Prediction, Session, read_image
from photos import QueryPhoto

_BATCH = 32


@dataclass(frozen=True)
class Recognition:
    """What came out of one run.

    Attributes:
        report: Of the guarded adaptation, which is in force at the end.
        direct: Answers at theta_0.
        adapted: Answers after the guarded adaptation.
        seconds: Of each stage.
    """

    report: AdaptReport
    direct: list[Prediction]
    adapted: list[Prediction]
    seconds: dict[str, float]


def recognise(
    session: Session, support: dict[str, list[Path]], queries: Sequence[QueryPhoto], *, progress: Callable[[str], None]
) -> Recognition:
    """Show the support to a session, adapt it, and classify the queries at theta_0 and adapted.

    Args:
        session: Empty.
        support: Photos of each class.
        queries: Photos to classify.
        progress: Called with the name of a stage after each photo.

    Raises:
        HyperflowRuntimeError: A photo cannot be read, or the session refuses it.
    """
    seconds: dict[str, float] = {}

    def timed(stage: str, start: float) -> None:
        seconds[stage] = time.perf_counter() - start

    start = time.perf_counter()
    for label, photos in support.items():
        for photo in photos:
            session.add(label, read_image(photo))
            progress("learn")
    timed("read and encode the support", start)
    session.adapt(step_size=0.0)
    start = time.perf_counter()
    direct = _answers(session, queries, progress)
    timed("classify, direct", start)
    start = time.perf_counter()
    report = session.adapt()
    timed("adapt", start)
    start = time.perf_counter()
    adapted = _answers(session, queries, progress)
    timed("classify, adapted", start)
    return Recognition(report, direct, adapted, seconds)


def _answers(session: Session, queries: Sequence[QueryPhoto], progress: Callable[[str], None]) -> list[Prediction]:
    answers: list[Prediction] = []
    for start in range(0, len(queries), _BATCH):
        batch = queries[start : start + _BATCH]
        answers += session.predict_batch([read_image(query.path) for query in batch])
        for _ in batch:
            progress("classify")
    return answers
