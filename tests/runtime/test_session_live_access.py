"""What a screen shows of a session: shots, features, the answer before adapting, the report, what changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import AdaptationError, Model, Session, SupportError

Pictures = dict[str, list[NDArray[np.uint8]]]
COLOURS = ("red", "green", "blue")


@pytest.fixture
def file(adapted: Session, tmp_path: Path) -> Path:
    path = tmp_path / "three.adaptation"
    adapted.save(path)
    return path


@pytest.fixture
def file_without_pictures(adapted: Session, tmp_path: Path) -> Path:
    path = tmp_path / "small.adaptation"
    adapted.save(path, with_images=False)
    return path


def test_shots_come_with_id_class_pixels_and_the_feature_at_theta_0(session: Session, pictures: Pictures) -> None:
    first = session.add("red", pictures["red"][:2])
    second = session.add("green", pictures["green"][0])
    third = session.add("red", pictures["red"][2])

    assert [(shot.shot_id, shot.label) for shot in session.shots] == [
        (first[0], "red"), (first[1], "red"), (second, "green"), (third, "red"),
    ]  # fmt: skip
    session.adapt()
    frames = [pictures["red"][0], pictures["red"][1], pictures["green"][0], pictures["red"][2]]
    for shot, frame in zip(session.shots, frames, strict=True):
        assert shot.image_rgb is not None
        assert (shot.image_rgb.shape, shot.image_rgb.dtype) == ((32, 32, 3), np.uint8)
        rgb, expected = shot.image_rgb.mean(axis=(0, 1)), frame[:, 4:44, ::-1].mean(axis=(0, 1))
        assert rgb == pytest.approx(expected, abs=2)
        at_theta_0 = session.predict(frame, adapted=False).feature
        assert shot.feature == pytest.approx(at_theta_0, abs=1e-5)


def test_features_of_the_support_are_those_of_its_frames(adapted: Session, pictures: Pictures) -> None:
    frames = [frame for label in COLOURS for frame in pictures[label][:3]]
    for is_adapted in (True, False):
        alone = np.stack([answer.feature for answer in adapted.predict_batch(frames, adapted=is_adapted)])
        assert alone.dtype == np.float32
        assert adapted.support_features(adapted=is_adapted) == pytest.approx(alone, abs=1e-4)


def test_features_follow_the_theta_in_force(adapted: Session) -> None:
    at_theta_0 = adapted.support_features(adapted=False)
    adapted.adapt(step_size=0.0)
    assert np.array_equal(adapted.support_features(), at_theta_0)
    adapted.adapt(step_size=1.0)
    assert not np.allclose(adapted.support_features(), at_theta_0, atol=1e-3)
    assert np.array_equal(adapted.support_features(adapted=False), at_theta_0)


def test_features_of_a_part_of_the_support_are_known_and_those_of_new_shots_are_not(
    adapted: Session, pictures: Pictures
) -> None:
    whole = adapted.support_features()
    adapted.rename_class("green", "verde")
    adapted.remove(adapted.shots[0].shot_id)
    adapted.remove_class("blue")
    assert np.array_equal(adapted.support_features(), whole[1:6])

    adapted.add("red", pictures["red"][4])
    assert adapted.support_features(adapted=False).shape == (6, whole.shape[1])
    with pytest.raises(AdaptationError, match="some shots were not seen under the theta in force; adapt first"):
        adapted.support_features()


def test_without_shots_there_are_no_features(session: Session) -> None:
    for is_adapted in (True, False):
        with pytest.raises(AdaptationError, match="there are no shots; add some"):
            session.support_features(adapted=is_adapted)


def test_before_adapting_only_features_at_theta_0_are_there(session: Session, pictures: Pictures) -> None:
    session.add("red", pictures["red"][:2])
    assert session.support_features(adapted=False).shape[0] == 2
    with pytest.raises(AdaptationError, match="adapt first"):
        session.support_features()


def test_an_answer_without_adapting_is_that_of_a_session_that_never_moved(
    model: Model, adapted: Session, pictures: Pictures
) -> None:
    still = model.session(bake=False)
    for label in COLOURS:
        still.add(label, pictures[label][:3])
    still.adapt(step_size=0.0)
    adapted.adapt(step_size=1.0)

    for frames in pictures.values():
        before, expected = adapted.predict(frames[7], adapted=False), still.predict(frames[7])
        assert before.label == expected.label
        assert before.unknown_threshold == pytest.approx(expected.unknown_threshold, abs=1e-5)
        assert before.scores == pytest.approx(expected.scores, abs=1e-5)
        assert before.feature == pytest.approx(expected.feature, abs=1e-5)
        assert before.feature != pytest.approx(adapted.predict(frames[7]).feature, abs=1e-3)


def test_an_answer_without_adapting_names_the_classes_as_they_are(adapted: Session, pictures: Pictures) -> None:
    adapted.remove_class("red")
    adapted.rename_class("green", "verde")
    answer = adapted.predict(pictures["green"][7], adapted=False, allow_unknown=False)
    assert (answer.label, list(answer.scores)) == ("verde", ["verde", "blue"])


def test_before_the_first_adaptation_there_is_no_answer_of_either_kind(session: Session, pictures: Pictures) -> None:
    session.add("red", pictures["red"][:2])
    session.add("green", pictures["green"][:2])
    for is_adapted in (True, False):
        with pytest.raises(AdaptationError, match="nothing to predict with: add shots of two or more classes"):
            session.predict(pictures["red"][7], adapted=is_adapted)


@pytest.mark.parametrize("is_adapted", [True, False])
def test_an_answer_tells_what_its_stages_took_and_compares_without_that(
    adapted: Session, pictures: Pictures, is_adapted: bool
) -> None:
    first, second = (adapted.predict(pictures["red"][7], adapted=is_adapted) for _ in range(2))
    assert list(first.timings_ms) == ["preprocess", "encode", "head"]
    assert all(0 <= milliseconds < 60_000 for milliseconds in first.timings_ms.values())
    assert first.timings_ms is not second.timings_ms
    assert first == second
    assert "feature" not in repr(first)


def test_the_report_is_that_of_the_adaptation_in_force(adapted: Session, pictures: Pictures, file: Path) -> None:
    first = adapted.report
    adapted.add("red", pictures["red"][3])
    second = adapted.adapt()
    assert adapted.report is second
    adapted.undo()
    assert adapted.report is first
    adapted.rename_class("red", "rot")
    assert adapted.report is first
    adapted.load(file)
    assert adapted.report is None
    assert adapted.adapt() is adapted.report


def test_the_report_says_how_direct_transfer_did(adapted: Session) -> None:
    assert adapted.report is not None
    (direct,) = (candidate for candidate in adapted.report.candidates if candidate.step_size == 0.0)
    assert direct.leave_one_out_accuracy is not None
    assert 0.0 <= direct.leave_one_out_accuracy <= 1.0


def test_there_is_no_report_before_the_first_adaptation_and_none_without_classes(adapted: Session) -> None:
    for label in COLOURS:
        adapted.remove_class(label)
    assert (adapted.report, adapted.shots, adapted.is_adapted) == (None, (), False)
    adapted.undo()
    assert adapted.report is not None


def test_can_undo_says_whether_undo_would_work(session: Session, pictures: Pictures) -> None:
    assert not session.can_undo
    session.add("red", pictures["red"][:2])
    session.add("green", pictures["green"][:2])
    session.adapt()
    for _ in range(2):
        assert session.can_undo
        session.undo()
    assert not session.can_undo
    with pytest.raises(SupportError, match="nothing to undo"):
        session.undo()


CHANGES: dict[str, Callable[[Session, Pictures, Path], object]] = {
    "add": lambda session, pictures, _: session.add("red", pictures["red"][:2]),
    "remove": lambda session, *_: session.remove(session.shots[0].shot_id),
    "remove_class": lambda session, *_: session.remove_class("red"),
    "rename_class": lambda session, *_: session.rename_class("red", "rot"),
    "adapt": lambda session, *_: session.adapt(),
    "undo": lambda session, *_: session.undo(),
    "load": lambda session, _, file: session.load(file),
}
READS: dict[str, Callable[[Session, Pictures, Path], object]] = {
    "predict": lambda session, pictures, _: session.predict(pictures["red"][0], adapted=False),
    "support_features": lambda session, *_: session.support_features(),
    "save": lambda session, _, file: session.save(file, overwrite=True),
    "wait_until_baked": lambda session, *_: session.wait_until_baked(),
    "report": lambda session, *_: (session.report, session.shots, session.labels, session.can_undo, session.is_stale),
}
REFUSED: dict[str, Callable[[Session, Pictures, Path], object]] = {
    "add": lambda session, pictures, _: session.add(" ", pictures["red"][0]),
    "remove": lambda session, *_: session.remove(-1),
    "remove_class": lambda session, *_: session.remove_class("pink"),
    "rename_class": lambda session, *_: session.rename_class("red", "green"),
    "adapt": lambda session, *_: session.adapt(step_size=float("nan")),
    "load": lambda session, _, file: session.load(file.with_name("missing")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_version_grows_with_each_change(adapted: Session, pictures: Pictures, file: Path, name: str) -> None:
    before = adapted.version
    CHANGES[name](adapted, pictures, file)
    assert adapted.version > before


@pytest.mark.parametrize("name", READS)
def test_the_version_stays_when_nothing_changed(adapted: Session, pictures: Pictures, file: Path, name: str) -> None:
    before = adapted.version
    READS[name](adapted, pictures, file)
    assert adapted.version == before


@pytest.mark.parametrize("name", REFUSED)
def test_the_version_stays_when_a_change_is_refused(
    adapted: Session, pictures: Pictures, file: Path, name: str
) -> None:
    before = adapted.version
    with pytest.raises(Exception, match=r"\w"):
        REFUSED[name](adapted, pictures, file)
    assert (adapted.version, adapted.labels, adapted.is_stale) == (before, COLOURS, False)


def test_a_loaded_session_answers_without_adapting_as_the_saved_one(
    model: Model, adapted: Session, pictures: Pictures, file: Path, file_without_pictures: Path
) -> None:
    for path in (file, file_without_pictures):
        loaded = model.session(path, bake=False)
        for frames in pictures.values():
            before, expected = loaded.predict(frames[7], adapted=False), adapted.predict(frames[7], adapted=False)
            assert before.label == expected.label
            assert before.scores == pytest.approx(expected.scores, abs=1e-5)
        assert loaded.support_features(adapted=False) == pytest.approx(adapted.support_features(adapted=False))


def test_a_loaded_session_sees_its_shots_under_its_theta_when_it_is_asked(
    model: Model, adapted: Session, file: Path
) -> None:
    loaded = model.session(file, bake=False)
    version = loaded.version

    seen = loaded.support_features()

    assert seen == pytest.approx(adapted.support_features(), abs=1e-4)
    assert np.array_equal(loaded.support_features(), seen)
    assert loaded.version == version
    loaded.rename_class(COLOURS[0], "renamed")
    assert np.array_equal(loaded.support_features(), seen)
    loaded.remove(loaded.shots[0].shot_id)
    assert np.array_equal(loaded.support_features(), seen[1:])


def test_a_loaded_session_without_pictures_cannot_see_its_shots(
    model: Model, adapted: Session, file_without_pictures: Path
) -> None:
    loaded = model.session(file_without_pictures, bake=False)

    with pytest.raises(AdaptationError, match="some shots were not seen under the theta in force; adapt first"):
        loaded.support_features()


def test_a_load_while_its_shots_are_looked_at_is_not_mixed_up(
    model: Model, adapted: Session, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = model.session(file, bake=False)
    encode = loaded._eye.features_of

    def overtaken(*arguments: Any) -> Any:
        loaded.rename_class(COLOURS[0], "renamed meanwhile")
        return encode(*arguments)

    monkeypatch.setattr(loaded._eye, "features_of", overtaken)
    features = loaded.support_features()

    assert features == pytest.approx(adapted.support_features(), abs=1e-4)
    assert loaded.labels[0] == "renamed meanwhile"
    monkeypatch.undo()
    assert np.array_equal(loaded.support_features(), features)


def test_shots_loaded_without_pictures_say_so(model: Model, file: Path, file_without_pictures: Path) -> None:
    assert all(shot.image_rgb is not None for shot in model.session(file).shots)
    assert all(shot.image_rgb is None for shot in model.session(file_without_pictures).shots)


def test_what_is_saved_during_edits_is_always_one_whole_state(
    model: Model, adapted: Session, pictures: Pictures, tmp_path: Path
) -> None:
    done = threading.Event()

    def edit() -> None:
        while not done.is_set():
            adapted.rename_class("green", "verde")
            adapted.rename_class("verde", "green")
            adapted.remove_class("blue")
            adapted.undo()
            adapted.undo()
            adapted.undo()

    with ThreadPoolExecutor(1) as pool:
        editing = pool.submit(edit)
        try:
            for number in range(30):
                file = tmp_path / f"{number}.adaptation"
                while not file.exists():
                    try:
                        adapted.save(file)
                    except AdaptationError:  # caught between an edit and its undoing
                        assert not editing.done()
                loaded = model.session(file, bake=False)
                assert list(loaded.predict(pictures["red"][7]).scores) == list(loaded.labels)
                assert set(loaded.labels) in ({"red", "green", "blue"}, {"red", "verde", "blue"})
        finally:
            done.set()
        editing.result(timeout=30)
