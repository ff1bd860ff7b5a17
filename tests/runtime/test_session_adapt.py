"""Adapting: what it reports, what it computes, and that a failure leaves the last adaptation in force."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import AdaptationError, Model, Session, SupportError, open_bundle
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.protocol import Array
from hyperflow_runtime.bundle.reader import read_bundle

Pictures = dict[str, list[NDArray[np.uint8]]]


class CountingBackend(OnnxRuntimeBackend):
    """The real backend, keeping a list of how many images each call of `encode` had."""

    encoded: list[int]

    def encode(self, images: Array, theta: Array) -> Array:
        self.encoded.append(len(images))
        return super().encode(images, theta)


@pytest.fixture
def counting(tiny_bundle: Path) -> tuple[Session, list[int]]:
    bundle = read_bundle(tiny_bundle)
    backend = CountingBackend(bundle, n_threads=1)
    backend.encoded = []
    return Model(bundle, backend).session(bake=False), backend.encoded


def test_the_guard_reports_every_candidate(adapted: Session) -> None:
    report = adapted.adapt()

    assert report.guarded
    assert report.n_shots == {"red": 3, "green": 3, "blue": 3}
    assert [candidate.step_size for candidate in report.candidates] == [0.0, 0.5, 1.0]
    losses = {candidate.step_size: candidate.leave_one_out_loss for candidate in report.candidates}
    chosen = next(candidate for candidate in report.candidates if candidate.chosen)
    assert report.step_size == chosen.step_size == min(losses, key=lambda step_size: losses[step_size] or 0.0)
    assert report.leave_one_out_accuracy == chosen.leave_one_out_accuracy == 1.0
    assert sum(candidate.chosen for candidate in report.candidates) == 1
    assert len(report.step_norms) == 2
    assert min(report.step_norms) > 0
    assert set(report.timings_ms) == {"drift", "encode", "guard", "prototypes", "total"}
    assert report.timings_ms["total"] >= max(report.timings_ms.values())
    assert report.notes == ()
    assert not report.low_confidence


def test_without_the_guard_the_bundles_step_size_is_trusted(adapted: Session) -> None:
    report = adapted.adapt(guard=False)

    assert not report.guarded
    assert report.step_size == 1.0
    assert [(candidate.step_size, candidate.chosen) for candidate in report.candidates] == [(1.0, True)]


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("step_size", [0.25, -0.5, 2])
def test_a_step_size_of_the_callers_is_not_second_guessed(adapted: Session, step_size: float, guard: bool) -> None:
    report = adapted.adapt(step_size=step_size, guard=guard)

    assert not report.guarded
    assert report.step_size == step_size
    assert len(report.candidates) == 1


def test_the_larger_step_goes_further(adapted: Session) -> None:
    small, large = adapted.adapt(step_size=0.1), adapted.adapt(step_size=1.0)

    assert sum(large.step_norms) > sum(small.step_norms) > 0


def test_a_step_of_zero_encodes_nothing_and_keeps_the_base_features(
    adapted: Session, pictures: Pictures, model: Model, tmp_path: Path
) -> None:
    report = adapted.adapt(step_size=0.0)
    adapted.save(tmp_path / "zero.adaptation")

    assert report.n_encoded == 0
    assert report.step_size == 0.0
    assert report.step_norms == ()
    assert not {"drift", "encode"} & set(report.timings_ms)
    with np.load(tmp_path / "zero.adaptation") as saved:
        np.testing.assert_array_equal(saved["theta"], model._bundle.theta_0)
    assert adapted.predict(pictures["red"][7]).label == "red"


@pytest.mark.parametrize("step_size", [float("nan"), float("inf"), float("-inf")])
def test_a_step_size_that_is_no_number_is_refused(adapted: Session, step_size: float) -> None:
    with pytest.raises(AdaptationError, match=f"step_size must be finite, got {step_size}"):
        adapted.adapt(step_size=step_size)


def test_nothing_and_one_class_alone_cannot_adapt(session: Session, pictures: Pictures) -> None:
    with pytest.raises(AdaptationError, match="adapting needs at least two classes, got 0; add shots"):
        session.adapt()
    session.add("red", pictures["red"][:4])
    for step_size in (None, 0.0):
        with pytest.raises(AdaptationError, match="adapting needs at least two classes, got 1; add shots of another"):
            session.adapt(step_size=step_size)
    assert session.is_stale


def test_one_shot_a_class_works_and_says_so(session: Session, pictures: Pictures) -> None:
    for label in ("red", "green"):
        session.add(label, pictures[label][0])

    report = session.adapt()

    assert report.low_confidence
    assert report.notes[0] == "one shot only: red, green; add another view of each"
    assert report.notes[1].startswith("too few shots to check the adaptation")
    assert not report.guarded
    assert report.step_size == 1.0
    assert report.leave_one_out_accuracy is None
    assert report.unknown_threshold == pytest.approx(0.3)
    assert [candidate.leave_one_out_loss for candidate in report.candidates] == [None, None, None]
    assert session.predict(pictures["green"][7]).label == "green"


def test_a_class_with_one_shot_among_others_is_noted(adapted: Session, pictures: Pictures) -> None:
    adapted.add("grey", pictures["grey"][0])

    report = adapted.adapt()

    assert report.guarded
    assert report.notes == ("one shot only: grey; add another view of each",)


def test_a_support_that_contradicts_itself_is_noted(session: Session, pictures: Pictures) -> None:
    session.add("a", [pictures["red"][0], pictures["green"][0], pictures["blue"][0]])
    session.add("b", [pictures["red"][1], pictures["green"][1], pictures["blue"][1]])

    report = session.adapt()

    assert report.low_confidence
    assert report.leave_one_out_accuracy is not None
    assert report.notes == (
        f"the support contradicts itself: leave-one-out accuracy {report.leave_one_out_accuracy:.0%}",
    )


def test_shots_are_encoded_once_when_added_and_once_a_moved_candidate(
    counting: tuple[Session, list[int]], pictures: Pictures
) -> None:
    session, encoded = counting
    session.add("red", pictures["red"][:3])
    session.add("green", pictures["green"][0])
    assert encoded == [3, 1]

    encoded.clear()
    assert session.adapt().n_encoded == 8
    assert encoded == [4, 4]  # candidates 0.5 and 1; base features serve candidate 0

    encoded.clear()
    assert session.adapt(guard=False).n_encoded == 4
    assert session.adapt(step_size=0.3).n_encoded == 4
    assert session.adapt(step_size=0.0).n_encoded == 0
    assert encoded == [4, 4]


def test_editing_and_undoing_encode_nothing(counting: tuple[Session, list[int]], pictures: Pictures) -> None:
    session, encoded = counting
    session.add("red", pictures["red"][:3])
    session.add("green", pictures["green"][0])
    session.adapt()
    encoded.clear()

    session.remove(0)
    session.rename_class("red", "rouge")
    session.remove_class("green")
    for _ in range(3):
        session.undo()

    assert encoded == []


def test_a_refused_list_is_not_encoded(counting: tuple[Session, list[int]], pictures: Pictures) -> None:
    session, encoded = counting

    with pytest.raises(SupportError, match="exceed the bundle's limit"):
        session.add("red", pictures["red"] * 4)

    assert encoded == []


@pytest.mark.parametrize("step_size", [1e30, 1e38])
def test_a_failed_adaptation_leaves_the_last_one_in_force(
    adapted: Session, pictures: Pictures, step_size: float
) -> None:
    before = adapted.predict(pictures["red"][7])
    adapted.add("grey", pictures["grey"][:2])

    with pytest.raises(AdaptationError, match="not finite"):
        adapted.adapt(step_size=step_size)

    assert adapted.predict(pictures["red"][7]) == before
    assert adapted.is_stale
    adapted.adapt()
    assert adapted.predict(pictures["grey"][7]).label == "grey"


def test_one_class_too_few_leaves_the_last_adaptation_in_force(adapted: Session, pictures: Pictures) -> None:
    adapted.remove_class("red")
    adapted.remove_class("green")

    with pytest.raises(AdaptationError, match="at least two classes, got 1"):
        adapted.adapt()

    assert adapted.predict(pictures["blue"][7]).label == "blue"


def test_adapting_twice_gives_the_same(adapted: Session, pictures: Pictures) -> None:
    first = adapted.predict(pictures["red"][7])
    adapted.adapt()

    assert adapted.predict(pictures["red"][7]) == first


def test_features_that_are_not_finite_are_refused_when_a_shot_is_added(
    bundle_copy: Path, pictures: Pictures, replace_file: Callable[[Path, str, bytes], None]
) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.full(144, 3e38, np.float32))  # finite itself; everything after it overflows
    replace_file(bundle_copy, "theta0.npy", buffer.getvalue())

    with open_bundle(bundle_copy, n_threads=1) as model:
        session = model.session()
        with pytest.raises(SupportError, match="features that are not finite for class 'red'; export it again"):
            session.add("red", pictures["red"][0])
        assert session.n_shots == {}
