"""A bundle as a subject of `hyperflow evaluate`: the same episodes, answered by the runtime's own session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hyperflow.errors import CheckpointError, DataError
from hyperflow.evaluation.subjects import Labels
from hyperflow_runtime import HyperflowRuntimeError, Model, Session, open_bundle

__all__ = ["BundleSubject"]


class BundleSubject:
    """Answers episodes as a device would; announced through the entry point group `hyperflow.evaluation`."""

    def __init__(self, path: Path) -> None:
        """Open the bundle at `path`.

        Raises:
            CheckpointError: The bundle cannot be opened.
        """
        try:
            self._model: Model = open_bundle(path)
        except HyperflowRuntimeError as error:
            raise CheckpointError(str(error)) from error

    def answer(
        self, support: Sequence[Image.Image], labels: Labels, queries: Sequence[Image.Image], n_way: int
    ) -> Mapping[str, Labels]:
        """Label the queries of one episode; see `hyperflow.evaluation.subjects.Subject`.

        Raises:
            DataError: The episode is beyond the bundle's limits, or an image cannot be used.
        """
        try:
            return self._answers(support, labels, queries, n_way)
        except HyperflowRuntimeError as error:
            raise DataError(str(error)) from error

    def _answers(
        self, support: Sequence[Image.Image], labels: Labels, queries: Sequence[Image.Image], n_way: int
    ) -> Mapping[str, Labels]:
        session = self._model.session(colour_order="rgb", bake=False)
        for label in range(n_way):
            frames = [np.asarray(image) for image, own in zip(support, labels, strict=True) if own == label]
            session.add(str(label), frames)
        frames = [np.asarray(image) for image in queries]
        session.adapt(step_size=0.0)
        direct = _labels(session, frames)
        session.adapt(guard=False)
        adapted = _labels(session, frames)
        report = session.adapt()
        same = {0.0: direct, self._model.manifest.adaptation.step_size: adapted}
        guarded = same[report.step_size] if report.step_size in same else _labels(session, frames)
        return {"direct": direct, "adapted": adapted, "guarded": guarded}


def _labels(session: Session, frames: Sequence[np.ndarray]) -> Labels:
    predictions = session.predict_batch(frames, allow_unknown=False)
    return np.array([int(prediction.best) for prediction in predictions])
