"""Baking in the background: swapped in when ready, kept for one theta only, and never missed when it fails."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import BackendError, Model, Session
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.protocol import Array, Encoder
from hyperflow_runtime.baking import EncoderSlot
from hyperflow_runtime.bundle.reader import read_bundle

Pictures = dict[str, list[NDArray[np.uint8]]]
IMAGES = np.random.default_rng(0).standard_normal((3, 3, 32, 32)).astype(np.float32)


class WatchedBackend(OnnxRuntimeBackend):
    """The real backend; remembers which baked encoders are alive, and bakes only when it is let."""

    def watch(self) -> WatchedBackend:
        self.alive: weakref.WeakSet[Encoder] = weakref.WeakSet()
        self.n_baked = 0
        self.may_bake = threading.Event()
        self.may_bake.set()
        return self

    def baked(self, theta: Array) -> Encoder:
        assert self.may_bake.wait(timeout=30)
        encoder = super().baked(theta)
        self.alive.add(encoder)
        self.n_baked += 1
        return encoder


class RefusingBackend(OnnxRuntimeBackend):
    """The real backend on a device that cannot compile a second graph."""

    def baked(self, theta: Array) -> Encoder:
        raise BackendError("no memory for a second graph")


@pytest.fixture
def watched(tiny_bundle: Path) -> WatchedBackend:
    return WatchedBackend(read_bundle(tiny_bundle), n_threads=1).watch()


@pytest.fixture
def theta(tiny_bundle: Path) -> Array:
    return read_bundle(tiny_bundle).theta_0


def n_alive(backend: WatchedBackend) -> int:
    gc.collect()
    return len(backend.alive)


def test_a_slot_serves_the_input_theta_first_and_the_baked_one_later(watched: WatchedBackend, theta: Array) -> None:
    slot = EncoderSlot(watched, theta)
    watched.may_bake.clear()
    slot.start_baking()
    first = slot.encoder
    expected = first.encode(IMAGES)

    watched.may_bake.set()
    slot.wait()

    assert slot.encoder is not first
    assert slot.encoder in watched.alive
    np.testing.assert_allclose(slot.encoder.encode(IMAGES), expected, atol=1e-5)


def test_a_slot_bakes_once(watched: WatchedBackend, theta: Array) -> None:
    slot = EncoderSlot(watched, theta)
    for _ in range(3):
        slot.start_baking()
        slot.wait()

    assert watched.n_baked == 1


def test_a_dropped_slot_goes_on_answering_and_can_bake_again(watched: WatchedBackend, theta: Array) -> None:
    slot = EncoderSlot(watched, theta)
    slot.start_baking()
    slot.wait()
    expected = slot.encoder.encode(IMAGES)

    slot.drop_baked()
    assert n_alive(watched) == 0
    np.testing.assert_allclose(slot.encoder.encode(IMAGES), expected, atol=1e-5)

    slot.start_baking()
    slot.wait()
    assert slot.encoder in watched.alive


def test_a_slot_that_is_dropped_while_it_bakes_keeps_nothing(watched: WatchedBackend, theta: Array) -> None:
    slot = EncoderSlot(watched, theta)
    watched.may_bake.clear()
    slot.start_baking()
    slot.drop_baked()
    watched.may_bake.set()
    slot.wait()

    assert watched.n_baked == 1
    assert n_alive(watched) == 0


def test_a_slot_that_was_never_started_does_not_wait(watched: WatchedBackend, theta: Array) -> None:
    EncoderSlot(watched, theta).wait()

    assert watched.n_baked == 0


def test_a_refused_baking_leaves_the_input_theta(tiny_bundle: Path, theta: Array) -> None:
    slot = EncoderSlot(RefusingBackend(read_bundle(tiny_bundle), n_threads=1), theta)
    slot.start_baking()
    slot.wait()

    assert slot.encoder.encode(IMAGES).shape == (3, 16)


def watched_session(backend: WatchedBackend, tiny_bundle: Path, pictures: Pictures, *, bake: bool = True) -> Session:
    session = Model(read_bundle(tiny_bundle), backend).session(bake=bake)
    for label in ("red", "green"):
        session.add(label, pictures[label][:2])
    return session


def test_many_adaptations_keep_one_baked_copy_of_the_weights(
    watched: WatchedBackend, tiny_bundle: Path, pictures: Pictures
) -> None:
    session = watched_session(watched, tiny_bundle, pictures)
    for index in range(5):
        session.add("red", pictures["red"][index])
        session.adapt()
        session.wait_until_baked()

    assert watched.n_baked == 5
    assert n_alive(watched) == 1


def test_what_undo_brings_back_is_baked_again(watched: WatchedBackend, tiny_bundle: Path, pictures: Pictures) -> None:
    session = watched_session(watched, tiny_bundle, pictures)
    session.adapt()
    session.remove_class("red")
    session.remove_class("green")
    session.wait_until_baked()
    assert n_alive(watched) == 0

    session.undo()
    session.wait_until_baked()

    assert n_alive(watched) == 1
    assert session.predict(pictures["green"][7], allow_unknown=False).label == "green"


def test_renaming_and_removing_a_class_keep_the_baked_copy(
    watched: WatchedBackend, tiny_bundle: Path, pictures: Pictures
) -> None:
    session = watched_session(watched, tiny_bundle, pictures)
    session.adapt()
    session.wait_until_baked()
    session.rename_class("red", "rouge")
    session.remove_class("green")
    session.undo()
    session.wait_until_baked()

    assert watched.n_baked == 1
    assert n_alive(watched) == 1


def test_a_session_without_baking_never_bakes(watched: WatchedBackend, tiny_bundle: Path, pictures: Pictures) -> None:
    session = watched_session(watched, tiny_bundle, pictures, bake=False)
    session.adapt()
    session.remove_class("red")
    session.undo()
    session.wait_until_baked()

    assert watched.n_baked == 0
