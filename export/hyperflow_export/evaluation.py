"""A bundle as a subject of `hyperflow evaluate`: the same episodes, answered by the runtime's own session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from hyperflow.errors import CheckpointError, DataError
from hyperflow.evaluation.methods import METHODS, Answer, Frame, Labels, Task
from hyperflow_runtime import AdaptReport, HyperflowRuntimeError, Model, Session, open_bundle

__all__ = ["BundleSubject"]


class BundleSubject:
    """Answers episodes as a device would; announced through the entry point group `hyperflow.evaluation`.

    Attributes:
        methods: What it can answer: the methods without gradients.
    """

    methods = METHODS

    def __init__(self, path: Path) -> None:
        """Open the bundle at `path`.

        Raises:
            CheckpointError: The bundle cannot be opened.
        """
        self._path = path
        try:
            self._model: Model = open_bundle(path)
        except HyperflowRuntimeError as error:
            raise CheckpointError(str(error)) from error

    def frame(self, image: Image.Image) -> Frame:
        """Pixels of an RGB image, of any size: the session crops and resizes by itself."""
        return np.asarray(image)

    def answer(self, task: Task, methods: Sequence[str] = METHODS) -> Mapping[str, Answer]:
        """Label the queries of one task; see `hyperflow.evaluation.subjects.Subject`.

        Raises:
            DataError: The task is beyond the bundle's limits, or an image cannot be used.
        """
        with _as_data_error():
            return self._answers(task, methods)

    def _answers(self, task: Task, methods: Sequence[str]) -> Mapping[str, Answer]:
        session = self._model.session(colour_order="rgb", bake=False)
        start = perf_counter()
        _add(session, task)
        adding = perf_counter() - start
        answers: dict[str, Answer] = {}
        seen: dict[float, Labels] = {}
        for method in METHODS:
            if method in methods:
                start = perf_counter()
                step_size = _adapt(session, method).step_size
                seconds = adding + perf_counter() - start
                if step_size not in seen:
                    seen[step_size] = _labels(session, task.queries)
                answers[method] = Answer(seen[step_size], seconds, step_size)
        return answers

    def n_tuning_steps(self, method: str) -> int:
        """No method of a bundle is tuned."""
        return 0

    def adaptation(self, task: Task, method: str, *, n_steps: int | None = None) -> Callable[[], object]:
        """Only the adapting of one method, to be measured, in a model of its own: nothing is left from another one."""
        model = open_bundle(self._path)
        warm = model.session(colour_order="rgb", bake=False)
        warm.add("warm-up", task.support[0])

        def adapt() -> AdaptReport:
            with _as_data_error():
                session = model.session(colour_order="rgb", bake=False)
                _add(session, task)
                return _adapt(session, method)

        return adapt


@contextmanager
def _as_data_error() -> Iterator[None]:
    try:
        yield
    except HyperflowRuntimeError as error:
        raise DataError(str(error)) from error


def _add(session: Session, task: Task) -> None:
    for label in range(task.n_way):
        session.add(str(label), [frame for frame, own in zip(task.support, task.labels, strict=True) if own == label])


def _adapt(session: Session, method: str) -> AdaptReport:
    if method == "guarded":
        return session.adapt()
    return session.adapt(step_size=0.0) if method == "direct" else session.adapt(guard=False)


def _labels(session: Session, frames: Sequence[Frame]) -> Labels:
    predictions = session.predict_batch(frames, allow_unknown=False)
    return np.array([int(prediction.best) for prediction in predictions])
