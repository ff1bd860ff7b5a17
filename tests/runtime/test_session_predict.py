"""Predicting: labels, scores, "unknown", and that editing classes needs no new adaptation."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from hyperflow_runtime import AdaptationError, FrameError, Model, Prediction, Session
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.bundle.reader import read_bundle

Pictures = dict[str, list[NDArray[np.uint8]]]
COLOURS = ("red", "green", "blue")


def assert_close(found: Prediction, expected: Prediction) -> None:
    assert found.label == expected.label
    assert found.scores == pytest.approx(expected.scores, abs=1e-5)
    assert found.cosine == pytest.approx(expected.cosine, abs=1e-5)


def test_answers_and_reports_cannot_be_changed(adapted: Session, pictures: Pictures) -> None:
    report = adapted.adapt()

    for value in (adapted.predict(pictures["red"][0]), report, report.candidates[0]):
        with pytest.raises(FrozenInstanceError, match="cannot assign to field"):
            setattr(value, next(iter(vars(value))), None)


def test_pictures_that_were_never_shown_are_told_apart(adapted: Session, pictures: Pictures) -> None:
    for label in COLOURS:
        assert [answer.label for answer in adapted.predict_batch(pictures[label][3:])] == [label] * 5


def test_what_is_like_no_class_is_unknown_unless_a_name_is_asked_for(adapted: Session) -> None:
    white = np.full((40, 48, 3), 250, np.uint8)
    answer, named = adapted.predict(white), adapted.predict(white, allow_unknown=False)

    assert answer.label is None
    assert answer.cosine < answer.unknown_threshold
    assert answer.best == named.label == named.best
    assert named.label in COLOURS
    assert named.scores == answer.scores


def test_an_answer_is_consistent_in_itself(adapted: Session, pictures: Pictures) -> None:
    for frames in pictures.values():
        for answer in adapted.predict_batch(frames):
            assert list(answer.scores) == list(COLOURS)
            assert sum(answer.scores.values()) == pytest.approx(1.0, abs=1e-6)
            assert answer.probability == max(answer.scores.values()) == answer.scores[answer.best]
            assert -1 <= answer.cosine <= 1 + 1e-6
            assert (answer.label is None) == (answer.cosine < answer.unknown_threshold)


@pytest.mark.parametrize("bake", [False, True])
def test_a_batch_answers_as_each_frame_does(model: Model, pictures: Pictures, bake: bool) -> None:
    session = model.session(bake=bake)
    for label in COLOURS:
        session.add(label, pictures[label][:2])
    session.adapt()
    session.wait_until_baked()
    frames = [frame for colour in pictures.values() for frame in colour]  # 32 of them, max_batch is 8

    answers = session.predict_batch(frames)

    assert len(answers) == 32
    for frame, answer in zip(frames, answers, strict=True):
        assert_close(session.predict(frame), answer)


def test_a_baked_session_answers_as_an_unbaked_one(model: Model, adapted: Session, pictures: Pictures) -> None:
    baked = model.session(bake=True)
    for label in COLOURS:
        baked.add(label, pictures[label][:3])
    baked.adapt()
    baked.wait_until_baked()

    for frames in pictures.values():
        assert_close(baked.predict(frames[7]), adapted.predict(frames[7]))


def test_frames_of_different_sizes_share_a_batch(adapted: Session, pictures: Pictures) -> None:
    red = pictures["red"][7]
    larger = np.repeat(np.repeat(red, 2, axis=0), 2, axis=1)
    frames: list[NDArray[Any]] = [red, red[:, :, :1], larger, red.astype(np.uint16) * 257]

    answers = adapted.predict_batch(frames)

    assert len(answers) == 4
    assert answers[0].label == answers[3].label == "red"
    assert_close(answers[3], answers[0])


def test_an_array_of_frames_is_a_batch(adapted: Session, pictures: Pictures) -> None:
    answers = adapted.predict_batch(np.stack(pictures["red"][3:6]))  # type: ignore[arg-type]

    assert [answer.label for answer in answers] == ["red"] * 3


def test_no_frame_gives_no_answer(adapted: Session) -> None:
    assert adapted.predict_batch([]) == []


def test_an_rgb_session_answers_as_a_bgr_session(model: Model, adapted: Session, pictures: Pictures) -> None:
    rgb = model.session(colour_order="rgb", bake=False)
    for label in COLOURS:
        rgb.add(label, [frame[:, :, ::-1] for frame in pictures[label][:3]])
    rgb.adapt()

    for frames in pictures.values():
        assert rgb.predict(frames[7][:, :, ::-1]) == adapted.predict(frames[7])


def test_before_adapting_there_is_nothing_to_predict_with(session: Session, pictures: Pictures) -> None:
    for _ in range(2):
        with pytest.raises(AdaptationError, match=r"nothing to predict with: .* then call adapt\(\)"):
            session.predict(pictures["red"][0])
        with pytest.raises(AdaptationError, match="nothing to predict with"):
            session.predict_batch([])
        session.add("red", pictures["red"][0])
        session.add("green", pictures["green"][0])


@pytest.mark.parametrize("frame", [None, "red.jpg", np.zeros((8, 8, 3)), np.zeros((8, 8, 2), np.uint8)])
def test_a_bad_frame_is_refused_and_the_session_goes_on(adapted: Session, pictures: Pictures, frame: Any) -> None:
    with pytest.raises(FrameError, match="a frame must be"):
        adapted.predict(frame)
    with pytest.raises(FrameError, match="a frame must be"):
        adapted.predict_batch([pictures["red"][7], frame])

    assert adapted.predict(pictures["red"][7]).label == "red"


def test_a_new_class_is_not_answered_before_adapting(adapted: Session, pictures: Pictures) -> None:
    before = adapted.predict(pictures["grey"][7])
    adapted.add("grey", pictures["grey"][:3])

    assert adapted.is_stale
    assert adapted.predict(pictures["grey"][7]) == before
    adapted.adapt()
    assert not adapted.is_stale
    assert adapted.predict(pictures["grey"][7]).label == "grey"


def test_a_removed_class_is_not_answered_any_more(adapted: Session, pictures: Pictures) -> None:
    adapted.remove_class("red")

    answer = adapted.predict(pictures["red"][7], allow_unknown=False)

    assert list(answer.scores) == ["green", "blue"]
    assert answer.label in {"green", "blue"}
    assert sum(answer.scores.values()) == pytest.approx(1.0, abs=1e-6)


def test_a_class_goes_with_its_last_shot(adapted: Session, pictures: Pictures) -> None:
    for shot_id in (0, 1):
        adapted.remove(shot_id)
        assert adapted.predict(pictures["red"][7]).label == "red"
    adapted.remove(2)

    assert adapted.labels == ("green", "blue")
    assert adapted.predict(pictures["red"][7], allow_unknown=False).label in {"green", "blue"}


def test_without_classes_there_is_nothing_to_predict_with(adapted: Session, pictures: Pictures) -> None:
    for label in COLOURS:
        adapted.remove_class(label)

    with pytest.raises(AdaptationError, match="nothing to predict with"):
        adapted.predict(pictures["red"][0])


def test_a_renamed_class_answers_to_its_new_name_at_once(adapted: Session, pictures: Pictures) -> None:
    before = adapted.predict(pictures["red"][7])
    adapted.rename_class("red", "rouge")

    answer = adapted.predict(pictures["red"][7])

    assert not adapted.is_stale
    assert adapted.labels == ("rouge", "green", "blue")
    assert answer.label == "rouge"
    assert list(answer.scores.values()) == list(before.scores.values())


def test_renaming_before_adapting_stays_stale(adapted: Session, pictures: Pictures) -> None:
    adapted.add("grey", pictures["grey"][0])
    adapted.rename_class("grey", "gris")

    assert adapted.is_stale
    adapted.adapt()
    assert list(adapted.predict(pictures["red"][0]).scores) == ["red", "green", "blue", "gris"]


def test_the_logit_scale_sharpens_the_scores(tiny_bundle: Path, adapted: Session, pictures: Pictures) -> None:
    bundle = read_bundle(tiny_bundle)
    sharper = replace(bundle.manifest, head=replace(bundle.manifest.head, logit_scale=50.0))
    object.__setattr__(bundle, "manifest", sharper)
    session = Model(bundle, OnnxRuntimeBackend(bundle, n_threads=1)).session(bake=False)
    for label in COLOURS:
        session.add(label, pictures[label][:3])
    session.adapt(step_size=0.0)
    adapted.adapt(step_size=0.0)

    for label in COLOURS:
        mild, sharp = adapted.predict(pictures[label][7]), session.predict(pictures[label][7])
        assert sharp.label == mild.label
        assert sharp.cosine == mild.cosine
        assert sharp.probability > mild.probability
