"""An adaptation takes a while, and the session is used meanwhile: nothing waits for it, and it undoes no edit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import AdaptationError, AdaptReport, BackendError, Model, Session
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.protocol import Array, DriftResult
from hyperflow_runtime.bundle.reader import read_bundle

Pictures = dict[str, list[NDArray[np.uint8]]]
Adapting = Callable[[], AbstractContextManager["Future[AdaptReport]"]]
COLOURS = ("red", "green", "blue")


class HeldBackend(OnnxRuntimeBackend):
    """The real backend, whose work for an adaptation waits to be let go: the steps, and the passes of the support."""

    held_thread = ""
    held_call = "adapt"

    def hold(self, call: str) -> None:
        self.held_call = call
        self.has_come, self.may_go = threading.Event(), threading.Event()

    def _wait(self, call: str) -> None:
        if threading.current_thread().name.startswith("held") and call == self.held_call:
            self.has_come.set()
            assert self.may_go.wait(timeout=30), "what ran beside the adaptation never came to its end"

    def adapt(self, features: Array, labels_onehot: Array, step_size: float) -> DriftResult:
        self._wait("adapt")
        return super().adapt(features, labels_onehot, step_size)

    def encode(self, images: Array, theta: Array) -> Array:
        self._wait("encode")
        return super().encode(images, theta)


@pytest.fixture
def held(tiny_bundle: Path) -> Iterator[HeldBackend]:
    backend = HeldBackend(read_bundle(tiny_bundle), n_threads=1)
    yield backend
    backend.close()


@pytest.fixture
def taught(held: HeldBackend, tiny_bundle: Path, pictures: Pictures) -> Session:
    """Three shots each of red, green and blue; adapted, without a change of theta."""
    session = Model(read_bundle(tiny_bundle), held).session(bake=False)
    for label in COLOURS:
        session.add(label, pictures[label][:3])
    session.adapt(step_size=0.0)
    return session


@pytest.fixture(params=["adapt", "encode"])
def adapting(held: HeldBackend, taught: Session, request: pytest.FixtureRequest) -> Adapting:
    """What is done inside is done while `adapt` runs; it goes on, and ends, at the end."""

    @contextmanager
    def run() -> Iterator[Future[AdaptReport]]:
        held.hold(request.param)
        with ThreadPoolExecutor(1, thread_name_prefix="held") as pool:
            future = pool.submit(taught.adapt)
            try:
                assert held.has_come.wait(timeout=30)
                yield future
            finally:
                held.may_go.set()
                future.exception(timeout=30)
            assert future.exception() is None

    return run


def names(session: Session, frame: NDArray[np.uint8]) -> list[str]:
    """Names among which the session tells, with and without adapting."""
    adapted, direct = session.predict(frame), session.predict(frame, adapted=False)
    assert list(adapted.scores) == list(direct.scores)
    return list(adapted.scores)


def best(session: Session, frame: NDArray[np.uint8]) -> str:
    return session.predict(frame, allow_unknown=False).best


def test_nothing_but_another_adaptation_waits(
    taught: Session, adapting: Adapting, pictures: Pictures, tmp_path: Path
) -> None:
    frame = pictures["red"][7]
    with adapting() as future:
        assert taught.predict(frame).best == "red"
        assert taught.predict_batch([frame], adapted=False)[0].best == "red"
        assert taught.support_features().shape == taught.support_features(adapted=False).shape
        taught.save(tmp_path / "meanwhile.adaptation")
        shot_id = taught.add("grey", pictures["grey"][0])
        taught.rename_class("grey", "gris")
        taught.remove(shot_id)
        taught.undo()
        taught.remove_class("gris")
        taught.load(tmp_path / "meanwhile.adaptation")
        for _ in range(4):
            taught.undo()
        assert (taught.labels, taught.is_adapted, len(taught.shots)) == (COLOURS, True, 9)
        assert (taught.version > 10, taught.can_undo, taught.is_stale) == (True, True, False)
        taught.wait_until_baked()
        assert not future.done()
    assert taught.report is future.result()


def test_a_second_adaptation_waits_for_the_first_and_is_the_one_in_force(taught: Session, adapting: Adapting) -> None:
    with ThreadPoolExecutor(1) as pool:
        with adapting() as first:
            second = pool.submit(taught.adapt, step_size=0.25)
            assert not second.done()
        report = second.result(timeout=30)
    assert (first.result().step_size, report.step_size) == (1.0, 0.25)
    assert taught.report is report


def test_an_adaptation_that_nothing_overtook_is_not_stale(taught: Session, adapting: Adapting) -> None:
    version = taught.version
    with adapting() as future:
        assert taught.version == version
    assert not taught.is_stale
    assert taught.report is future.result()
    assert taught.version > version


@pytest.mark.parametrize("by_shots", [False, True])
def test_a_removed_class_does_not_come_back(
    taught: Session, adapting: Adapting, pictures: Pictures, by_shots: bool
) -> None:
    with adapting():
        if by_shots:
            for shot in taught.shots:
                if shot.label == "green":
                    taught.remove(shot.shot_id)
        else:
            taught.remove_class("green")
        assert names(taught, pictures["green"][7]) == ["red", "blue"]
    assert names(taught, pictures["green"][7]) == ["red", "blue"]
    assert taught.is_stale
    taught.adapt()
    assert (names(taught, pictures["green"][7]), taught.is_stale) == (["red", "blue"], False)


def test_a_removed_shot_leaves_its_class_and_a_stale_session(
    taught: Session, adapting: Adapting, pictures: Pictures
) -> None:
    with adapting() as future:
        taught.remove(taught.shots[0].shot_id)
    assert (names(taught, pictures["red"][7]), taught.is_stale) == (list(COLOURS), True)
    assert taught.report is future.result()


def test_a_renamed_class_answers_to_its_new_name_and_nothing_is_stale(
    taught: Session, adapting: Adapting, pictures: Pictures, tmp_path: Path
) -> None:
    with adapting():
        taught.rename_class("green", "verde")
        assert best(taught, pictures["green"][7]) == "verde"
    assert names(taught, pictures["green"][7]) == ["red", "verde", "blue"]
    assert best(taught, pictures["green"][7]) == "verde"
    assert not taught.is_stale
    taught.save(tmp_path / "renamed.adaptation")


def test_names_that_are_swapped_stay_with_their_shots(taught: Session, adapting: Adapting, pictures: Pictures) -> None:
    with adapting():
        for old, new in (("red", "other"), ("green", "red"), ("other", "green")):
            taught.rename_class(old, new)
    assert names(taught, pictures["green"][7]) == ["green", "red", "blue"]
    assert [best(taught, pictures[label][7]) for label in COLOURS] == ["green", "red", "blue"]


def test_a_name_that_came_free_and_was_taken_by_another_class(
    taught: Session, adapting: Adapting, pictures: Pictures
) -> None:
    with adapting():
        taught.remove_class("red")
        taught.rename_class("green", "red")
    assert names(taught, pictures["green"][7]) == ["red", "blue"]
    assert best(taught, pictures["green"][7]) == "red"


def test_a_class_that_was_added_meanwhile_is_not_answered_yet(
    taught: Session, adapting: Adapting, pictures: Pictures
) -> None:
    with adapting():
        taught.add("grey", pictures["grey"][:3])
    assert (names(taught, pictures["grey"][7]), taught.is_stale) == (list(COLOURS), True)
    with pytest.raises(AdaptationError, match="some shots were not seen under the theta in force; adapt first"):
        taught.support_features()
    taught.adapt()
    assert (best(taught, pictures["grey"][7]), taught.is_stale) == ("grey", False)


def test_a_class_that_was_removed_and_taught_anew_is_a_new_one(
    taught: Session, adapting: Adapting, pictures: Pictures
) -> None:
    with adapting():
        taught.remove_class("green")
        taught.add("green", pictures["grey"][:3])
    assert (names(taught, pictures["grey"][7]), taught.is_stale) == (["red", "blue"], True)
    taught.adapt()
    assert best(taught, pictures["grey"][7]) == "green"


def test_without_the_classes_that_it_knows_an_adaptation_comes_to_nothing(
    taught: Session, adapting: Adapting, pictures: Pictures
) -> None:
    with adapting():
        for label in COLOURS:
            taught.remove_class(label)
        taught.add("grey", pictures["grey"][:3])
        assert not taught.is_adapted
    assert not taught.is_adapted
    with pytest.raises(AdaptationError, match="nothing to predict with"):
        taught.predict(pictures["grey"][7])


@pytest.mark.parametrize("then_add", [False, True])
def test_what_was_loaded_meanwhile_stays_in_force(
    model: Model, taught: Session, adapting: Adapting, pictures: Pictures, tmp_path: Path, then_add: bool
) -> None:
    other = model.session(bake=False)
    for label in ("grey", "red"):
        other.add(label, pictures[label][:2])
    other.adapt()
    other.save(tmp_path / "other.adaptation")
    with adapting():
        taught.load(tmp_path / "other.adaptation")
        if then_add:
            taught.add("blue", pictures["blue"][:2])
    frame = pictures["grey"][7]
    assert taught.predict(frame).scores == pytest.approx(other.predict(frame).scores, abs=1e-5)
    assert (taught.is_stale, taught.report) == (then_add, None)


def test_undoing_to_a_state_that_was_adapted_leaves_that_in_force(
    taught: Session, adapting: Adapting, pictures: Pictures
) -> None:
    report = taught.report
    taught.add("grey", pictures["grey"][:3])
    with adapting():
        taught.undo()
    assert (taught.report, taught.is_stale, names(taught, pictures["grey"][7])) == (report, False, list(COLOURS))


def test_an_edit_that_was_taken_back_meanwhile_did_not_overtake(taught: Session, adapting: Adapting) -> None:
    with adapting() as future:
        taught.remove_class("blue")
        taught.undo()
    assert (taught.report, taught.is_stale) == (future.result(), False)


def test_undoing_the_first_shots_meanwhile_leaves_an_empty_session(
    held: HeldBackend, tiny_bundle: Path, pictures: Pictures
) -> None:
    session = Model(read_bundle(tiny_bundle), held).session()
    session.add("red", pictures["red"][:2])
    session.add("green", pictures["green"][:2])
    held.hold("adapt")
    with ThreadPoolExecutor(1, thread_name_prefix="held") as pool:
        future = pool.submit(session.adapt)
        assert held.has_come.wait(timeout=30)
        session.undo()
        session.undo()
        held.may_go.set()
        future.result(timeout=30)
    assert (session.labels, session.is_adapted, session.is_stale) == ((), False, False)


def test_closing_the_model_meanwhile_is_told_and_leaves_the_session_readable(
    held: HeldBackend, taught: Session, pictures: Pictures
) -> None:
    held.hold("adapt")
    with ThreadPoolExecutor(1, thread_name_prefix="held") as pool:
        future = pool.submit(taught.adapt)
        assert held.has_come.wait(timeout=30)
        held.close()
        held.may_go.set()
        with pytest.raises(BackendError, match="the model is closed; open the bundle again"):
            future.result(timeout=30)
    assert (taught.labels, taught.is_stale) == (COLOURS, False)
