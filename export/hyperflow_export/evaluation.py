"""A bundle as a subject of `hyperflow evaluate`: the same episodes, answered by the runtime's own session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np
from PIL import Image

from hyperflow.errors import CheckpointError, DataError
from hyperflow.evaluation.methods import METHODS, Answer, Features, Frame, Scores, Task
from hyperflow_export.remembering_backend import RememberingBackend
from hyperflow_runtime import AdaptReport, HyperflowRuntimeError, Session
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.protocol import Array, Backend
from hyperflow_runtime.bundle.reader import Bundle, read_bundle
from hyperflow_runtime.preprocessing import crop_and_resize, normalise

__all__ = ["BundleSubject"]


class BundleSubject:
    """Answers episodes as a device would; announced through the entry point group `hyperflow.evaluation`.

    The runtime's session does all the work. Images come to it cropped and resized, and graphs are not run twice on the
    same input, because one session answers by several methods here.

    Attributes:
        methods: What it can answer: the methods without gradients.
    """

    methods = METHODS

    def __init__(self, path: Path) -> None:
        """Open the bundle at `path`.

        Raises:
            CheckpointError: The bundle cannot be opened.
        """
        try:
            self._bundle = read_bundle(path)
            self._backend = OnnxRuntimeBackend(self._bundle)
        except HyperflowRuntimeError as error:
            raise CheckpointError(str(error)) from error
        self._rule = self._bundle.manifest.preprocessing
        # An image of the right size passes through a resize unchanged, but not through a second crop.
        whole = msgspec.structs.replace(self._rule, crop_fraction=1.0)
        self._uncropped = replace(
            self._bundle, manifest=msgspec.structs.replace(self._bundle.manifest, preprocessing=whole)
        )

    def frame(self, image: Image.Image) -> Frame:
        """Pixels of an RGB image, cropped and resized as a session does it.

        Raises:
            DataError: The image is too small or too large.
        """
        with _as_data_error():
            return crop_and_resize(np.asarray(image), self._rule, "rgb")

    def encode(self, frames: Sequence[Frame]) -> Features:
        """Features at theta_0, (B, D).

        Raises:
            DataError: The graph failed.
        """
        with _as_data_error():
            return self._backend.encode(normalise(np.stack(frames), self._rule), self._bundle.theta_0)

    def answer(self, task: Task, methods: Sequence[str] = METHODS) -> Mapping[str, Answer]:
        """Label the queries of one task; see `hyperflow.evaluation.subjects.Subject`.

        Raises:
            DataError: The task is beyond the bundle's limits, or an image cannot be used.
        """
        with _as_data_error():
            return self._answers(task, methods)

    def _remembering(self, task: Task) -> RememberingBackend:
        backend = RememberingBackend(self._backend)
        for frames, features in ((task.queries, task.query_features), (task.unknown, task.unknown_features)):
            if features is not None and frames:
                backend.know(normalise(np.stack(frames), self._rule), self._bundle.theta_0, features)
        return backend

    def _answers(self, task: Task, methods: Sequence[str]) -> Mapping[str, Answer]:
        backend = self._remembering(task)
        session = _session(backend, self._uncropped)
        start = perf_counter()
        _add(session, task)
        adding = perf_counter() - start
        answers: dict[str, Answer] = {}
        seen: dict[float, Answer] = {}
        for method in METHODS:
            if method in methods:
                start, saved = perf_counter(), backend.saved_seconds
                report = _adapt(session, method)
                seconds = adding + perf_counter() - start + backend.saved_seconds - saved
                if report.step_size not in seen:
                    seen[report.step_size] = _answer(session, task, report)
                answers[method] = seen[report.step_size]._replace(seconds=seconds)
        return answers

    def n_tuning_steps(self, method: str) -> int:
        """No method of a bundle is tuned."""
        return 0

    def adaptation(self, task: Task, method: str, *, n_steps: int | None = None) -> Callable[[], object]:
        """Only the adapting of one method, to be measured, in a model of its own: nothing is left from another one."""
        backend = OnnxRuntimeBackend(self._bundle)
        warm = _session(backend, self._uncropped)
        warm.add("warm-up", task.support[0])

        def adapt() -> AdaptReport:
            with _as_data_error():
                session = _session(backend, self._uncropped)
                _add(session, task)
                return _adapt(session, method)

        return adapt


@contextmanager
def _as_data_error() -> Iterator[None]:
    try:
        yield
    except HyperflowRuntimeError as error:
        raise DataError(str(error)) from error


def _session(backend: Backend, bundle: Bundle) -> Session:
    return Session(backend, bundle, colour_order="rgb", bake=False)


def _add(session: Session, task: Task) -> None:
    for label in range(task.n_way):
        session.add(str(label), [frame for frame, own in zip(task.support, task.labels, strict=True) if own == label])


def _adapt(session: Session, method: str) -> AdaptReport:
    if method == "guarded":
        return session.adapt()
    return session.adapt(step_size=0.0) if method == "direct" else session.adapt(guard=False)


def _scores(session: Session, frames: Sequence[Frame]) -> Scores:
    predictions = session.predict_batch(frames, allow_unknown=False)
    probabilities: Array = np.array([list(prediction.scores.values()) for prediction in predictions], np.float32)
    return Scores(probabilities, np.array([prediction.cosine for prediction in predictions], np.float32))


def _answer(session: Session, task: Task, report: AdaptReport) -> Answer:
    """Answer under the theta in force, in no time."""
    queries = _scores(session, task.queries)
    return Answer(
        queries.probabilities.argmax(axis=1),
        seconds=0.0,
        step_size=report.step_size,
        scores=queries,
        unknown=_scores(session, task.unknown) if task.unknown else None,
        unknown_threshold=report.unknown_threshold,
    )
