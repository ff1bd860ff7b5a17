"""The stages that are timed, from single graphs to what a camera's user feels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperflow_runtime.backends.protocol import Backend
from hyperflow_runtime.benchmarking.settings import BenchmarkSettings
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.frames import Frame
from hyperflow_runtime.measuring import TimedCall
from hyperflow_runtime.model import Model
from hyperflow_runtime.session import Session

__all__ = ["stages_of"]


def stages_of(model: Model, backend: Backend, bundle: Bundle, settings: BenchmarkSettings) -> dict[str, TimedCall]:
    """Make everything ready, so that each stage is one call.

    What a stage costs does not depend on what the frames show: all step sizes are always tried.

    Args:
        model: Of that backend.
        backend: Runs the graphs.
        bundle: Whose graphs.
        settings: Sizes.

    Raises:
        SupportError: More classes or shots than the bundle is for.
        BackendError: A graph failed.
    """
    width, height = settings.frame_px
    labels = [f"class {index}" for index in range(settings.n_way) for _ in range(settings.n_shot)]
    frames = list(np.random.default_rng(0).integers(0, 256, (len(labels), height, width, 3), dtype=np.uint8))
    adapting = _shown(model, labels, frames, bake=False)
    predicting = _shown(model, labels, frames, bake=True)
    predicting.adapt()
    predicting.wait_until_baked()
    shutter = _Shutter(_shown(model, labels[:-1], frames[:-1], bake=False), labels[-1], frames[-1])
    return {
        **_graph_stages(backend, bundle, settings),
        "adapt without guard": TimedCall(lambda: adapting.adapt(guard=False)),
        "adapt": TimedCall(adapting.adapt),
        "predict": TimedCall(lambda: predicting.predict(frames[0])),
        "shutter to ready": TimedCall(shutter.add_and_adapt, shutter.take_back),
    }


def _graph_stages(backend: Backend, bundle: Bundle, settings: BenchmarkSettings) -> dict[str, TimedCall]:
    rng, theta, side = np.random.default_rng(1), bundle.theta_0, bundle.manifest.preprocessing.size_px
    images = rng.standard_normal((settings.batch_size, 3, side, side), dtype=np.float32)
    one = images[:1]
    features = backend.encode(rng.standard_normal((settings.n_support, 3, side, side), dtype=np.float32), theta)
    onehot = np.eye(settings.n_way, dtype=np.float32).repeat(settings.n_shot, axis=0)
    step_size = bundle.manifest.adaptation.step_size
    return {
        "encode, batch 1": TimedCall(lambda: backend.encode(one, theta)),
        f"encode, batch {settings.batch_size}": TimedCall(lambda: backend.encode(images, theta)),
        "drift": TimedCall(lambda: backend.adapt(features, onehot, step_size)),
    }


def _shown(model: Model, labels: Sequence[str], frames: Sequence[Frame], *, bake: bool) -> Session:
    session = model.session(bake=bake)
    for label, frame in zip(labels, frames, strict=True):
        session.add(label, frame)
    return session


class _Shutter:
    """The last picture arrives, and the session learns it; then it is taken back for the next time."""

    def __init__(self, session: Session, label: str, frame: Frame) -> None:
        self._session, self._label, self._frame = session, label, frame

    def add_and_adapt(self) -> None:
        self._session.add(self._label, self._frame)
        self._session.adapt()

    def take_back(self) -> None:
        self._session.undo()
