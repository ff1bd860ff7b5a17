"""Calibration and unknown classes through a whole evaluation, which stays what it is without them."""

from __future__ import annotations

import csv
import io

import msgspec
import numpy as np
import pytest
from rich.console import Console

from hyperflow.evaluation.calibration import calibration_error_of
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.csv_file import csv_of
from hyperflow.evaluation.evaluating import evaluate
from hyperflow.evaluation.methods import ALL_METHODS, METHODS
from hyperflow.evaluation.recipes import Recipes
from hyperflow.evaluation.report import tables_of
from hyperflow.evaluation.results import Evaluation
from hyperflow.evaluation.task_drawing import TaskDrawer
from hyperflow.images.image_set import ImageSet
from hyperflow.teacher.fine_tuning import FineTuning

CONFIG = EvaluationConfig(5, 2, 3, episodes=4, seed=5, costs=False)


def _with_unknown(**changes: object) -> EvaluationConfig:
    return msgspec.structs.replace(CONFIG, unknown=True, **changes)


def _text(evaluation: Evaluation) -> str:
    console = Console(width=80)
    with console.capture() as captured:
        for table in tables_of(evaluation):
            console.print(table)
    return captured.get()


def test_asking_about_unknown_classes_changes_no_episode_and_no_answer(make_subject, sets: list[ImageSet]) -> None:
    subject = make_subject(step_size=20.0, candidates=(0.0, 20.0), penalties=(0.0, 0.0))

    without, _ = evaluate(subject, "tiny", sets, CONFIG)
    asked, _ = evaluate(subject, "tiny", sets, _with_unknown())

    assert asked.sets == without.sets
    assert asked.trust.calibration == without.trust.calibration
    assert (without.trust.detection, without.trust.no_spare_classes) == ({}, [])
    assert {name: list(of_set) for name, of_set in asked.trust.detection.items()} == {
        name: list(METHODS) for name in ("disc", "square")
    }


def test_unknown_images_are_of_the_classes_that_the_episode_leaves_out(make_subject, sets: list[ImageSet]) -> None:
    drawer = TaskDrawer(make_subject(), _with_unknown())

    episode, task = drawer.draw(sets[0], 0)

    known = {list(sets[0].classes)[c] for c in episode.classes}
    others = [
        make_subject().frame(sets[0].image(member)).tobytes()
        for label, members in sets[0].classes.items()
        if label not in known
        for member in members
    ]
    assert len(task.unknown) == len(task.queries) == 15
    assert all(frame.tobytes() in others for frame in task.unknown)


def test_queries_that_were_encoded_once_for_a_set_are_answered_as_those_that_were_not(
    make_subject, sets: list[ImageSet]
) -> None:
    subject = make_subject(step_size=20.0, candidates=(0.0, 20.0), penalties=(0.0, 0.0))
    drawer = TaskDrawer(subject, _with_unknown())
    _, plain = drawer.draw(sets[0], 2)
    drawer.encode_queries(sets[0])
    _, encoded = drawer.draw(sets[0], 2)

    assert plain.query_features is None
    assert encoded.query_features is not None
    for frames, features in (
        (plain.queries, encoded.query_features),
        (plain.unknown, encoded.unknown_features),
    ):
        np.testing.assert_allclose(features, subject.encode(frames), atol=1e-5)
    once, again = subject.answer(encoded), subject.answer(plain)
    for method in METHODS:
        assert once[method].labels.tolist() == again[method].labels.tolist()
        np.testing.assert_allclose(once[method].scores.probabilities, again[method].scores.probabilities, atol=1e-5)
        np.testing.assert_allclose(once[method].unknown.cosines, again[method].unknown.cosines, atol=1e-5)


def test_features_of_another_set_are_never_taken(make_subject, sets: list[ImageSet]) -> None:
    drawer = TaskDrawer(make_subject(), CONFIG)
    drawer.encode_queries(sets[0])

    assert drawer.draw(sets[1], 0)[1].query_features is None


def test_every_method_has_probabilities_of_the_labels_that_it_gives(make_subject, make_task) -> None:
    recipes = Recipes(subset_tuning=FineTuning(n_steps=2), full_tuning=FineTuning(parameters="all", n_steps=2))
    subject = make_subject(recipes)
    task = make_task(subject)

    answers = subject.answer(task, ALL_METHODS)

    for method, answer in answers.items():
        probabilities = answer.scores.probabilities
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
        assert probabilities.argmax(axis=1).tolist() == answer.labels.tolist(), method
    cosines = answers["direct"].scores.cosines
    assert cosines.shape == (len(task.queries),)
    assert np.all(np.abs(cosines) <= 1 + 1e-6)


def test_results_sum_up_what_the_records_hold(make_subject, sets: list[ImageSet]) -> None:
    result, records = evaluate(make_subject(step_size=20.0), "tiny", sets, _with_unknown())

    of_set = result.trust.calibration["disc"]["adapted"]
    kept = [record.answers["adapted"] for record in records["disc"]]
    assert of_set.ece == calibration_error_of([answer.calibration for answer in kept])
    assert sum(of_set.counts) == 4 * 15
    assert sum(of_set.right) == round(sum(15 * answer.accuracy for answer in kept))
    assert of_set.nll.mean == pytest.approx(np.mean([answer.calibration.nll for answer in kept]))
    assert of_set.confidence.mean == pytest.approx(100 * sum(of_set.confidence_sums) / 60)
    mean = result.trust.mean_calibration["adapted"]
    assert mean.ece.mean == pytest.approx(
        np.mean([one["adapted"].ece.mean for one in result.trust.calibration.values()])
    )
    assert sum(mean.counts) == 2 * 4 * 15
    detected = result.trust.detection["disc"]["adapted"]
    assert detected.n == 4
    assert detected.auroc.mean == pytest.approx(100 * np.mean([answer.detection.auroc for answer in kept]))
    assert result.trust.mean_detection["adapted"].n == 8
    rows = list(csv.DictReader(io.StringIO(csv_of(records))))
    (row,) = [r for r in rows if (r["set"], r["episode"], r["method"]) == ("disc", "1", "adapted")]
    assert float(row["auroc"]) == kept[1].detection.auroc
    assert float(row["unknown_rejected"]) == kept[1].detection.unknown_rejected
    assert float(row["nll"]) == kept[1].calibration.nll
    assert float(row["confidence"]) == pytest.approx(sum(kept[1].calibration.confidence) / 15)


def test_a_set_whose_classes_are_all_known_is_said_to_have_no_spare_ones(make_subject, sets: list[ImageSet]) -> None:
    result, _ = evaluate(make_subject(), "tiny", sets[:1], _with_unknown(n_way=8))

    assert result.trust.no_spare_classes == ["disc"]
    assert (result.trust.detection, result.trust.mean_detection) == ({}, {})
    assert "disc: no spare classes" in _text(result)


def test_the_tables_show_calibration_always_and_unknown_classes_when_asked_about(
    make_subject, sets: list[ImageSet]
) -> None:
    subject = make_subject()

    without, asked = (_text(evaluate(subject, "tiny", sets, config)[0]) for config in (CONFIG, _with_unknown()))

    assert "expected calibration error" in " ".join(without.split())
    assert "Unknown classes" not in without
    assert "Unknown classes" in asked
    assert "…" not in asked
