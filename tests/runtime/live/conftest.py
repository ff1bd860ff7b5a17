"""Fixtures of the live tests: a camera whose frames a test hands in, and a session whose work waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import Model, Session
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.protocol import Array, DriftResult, Encoder
from hyperflow_runtime.bundle.reader import read_bundle
from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import EndOfSource, SourceFrame


class Feed:
    """A source whose frames, errors and end are handed in by a test."""

    description = "a feed"
    stage = None
    nominal_fps = None

    def __init__(self, *, is_live: bool = False) -> None:
        self.is_live = is_live
        self._items: SimpleQueue[SourceFrame | Exception] = SimpleQueue()
        self._is_over = threading.Event()

    def show(self, *images_bgr: NDArray[np.uint8], label: str | None = None) -> None:
        """Give these frames next."""
        for image_bgr in images_bgr:
            self._items.put(SourceFrame(image_bgr, label))

    def fail(self, error: Exception) -> None:
        """Raise this next."""
        self._items.put(error)

    def end(self) -> None:
        """Be over, once everything that was handed in is read."""
        self._is_over.set()

    def open(self) -> None:
        pass

    def read(self) -> SourceFrame:
        while True:
            is_over = self._is_over.is_set()  # looked at first: what was handed in before the end is still to come
            try:
                item = self._items.get(timeout=0.01)
            except Empty:
                if is_over:
                    raise EndOfSource("the feed is over") from None
                continue
            if isinstance(item, Exception):
                raise item
            return item

    def close(self) -> None:
        pass


@pytest.fixture
def feed() -> Iterator[Feed]:
    """What the camera sees."""
    source = Feed()
    yield source
    source.end()


@pytest.fixture
def camera(feed: Feed) -> Iterator[Camera]:
    """A camera that sees what is fed, each frame waiting until it was read."""
    with Camera(lambda: feed, CameraOptions(pace="reader")) as opened:
        yield opened
        feed.end()


@pytest.fixture
def live_feed() -> Iterator[Feed]:
    """What a camera sees that may go away and come back."""
    source = Feed(is_live=True)
    yield source
    source.end()


@pytest.fixture
def unsteady_camera(live_feed: Feed) -> Iterator[Camera]:
    """A camera that is opened again after an error."""
    with Camera(lambda: live_feed, CameraOptions(warm_up_frames=0)) as opened:
        yield opened
        live_feed.end()


class Gate:
    """onnxruntime behind a gate: every run of the backbone waits until it is open; `adapting_fails` is raised."""

    name = "gate"

    def __init__(self, bundle: Path) -> None:
        self._backend = OnnxRuntimeBackend(read_bundle(bundle), n_threads=1)
        self.is_open, self.is_reached = threading.Event(), threading.Event()
        self.adapting_fails: Exception | None = None

    def encode(self, images: Array, theta: Array) -> Array:
        self.is_reached.set()
        assert self.is_open.wait(60)
        return self._backend.encode(images, theta)

    def adapt(self, features: Array, labels_onehot: Array, step_size: float) -> DriftResult:
        if self.adapting_fails is not None:
            raise self.adapting_fails
        return self._backend.adapt(features, labels_onehot, step_size)

    def baked(self, theta: Array) -> Encoder | None:
        return None

    def close(self) -> None:
        self._backend.close()


@pytest.fixture
def gate(tiny_bundle: Path) -> Iterator[Gate]:
    """A backend that waits."""
    backend = Gate(tiny_bundle)
    yield backend
    backend.is_open.set()
    backend.close()


@pytest.fixture
def gated(gate: Gate, tiny_bundle: Path) -> Session:
    """A session whose work waits at the gate."""
    return Model(read_bundle(tiny_bundle), gate).session(bake=False)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """What works in the background ends when it is closed."""
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name in ("hyperflow-live", "hyperflow-shots")]
    assert left == []
