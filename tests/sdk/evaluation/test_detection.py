"""AUROC against a count of all pairs, and what a threshold does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperflow.evaluation.detection import auroc, detection_record
from hyperflow.evaluation.methods import Answer, Scores

few_values = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=1, max_size=30)  # so that many tie
any_values = st.lists(st.floats(-1, 1), min_size=1, max_size=30)


@given(few_values | any_values, few_values | any_values)
def test_auroc_is_the_share_of_pairs_in_the_right_order_a_tie_counting_half(
    known: list[float], unknown: list[float]
) -> None:
    pairs = [(a > b) + (a == b) / 2 for a in known for b in unknown]

    assert auroc(known, unknown) == pytest.approx(np.mean(pairs))
    assert auroc(unknown, known) == pytest.approx(1 - np.mean(pairs))


def test_auroc_needs_scores_of_both_kinds() -> None:
    with pytest.raises(ValueError, match="got 1 known and 0 unknown"):
        auroc([0.5], [])


def _scores(cosines: list[float], probabilities: list[float]) -> Scores:
    columns = np.array([probabilities, 1 - np.array(probabilities)], np.float32).T
    return Scores(columns, np.array(cosines, np.float32))


def test_an_answer_is_judged_by_cosine_by_probability_and_at_its_threshold() -> None:
    answer = Answer(
        np.zeros(4, np.int64),
        0.1,
        scores=_scores([0.9, 0.8, 0.7, 0.25], [0.6, 0.6, 0.6, 0.6]),
        unknown=_scores([0.5, 0.1], [0.9, 0.6]),
        unknown_threshold=0.5,
    )

    record = detection_record(answer)

    assert record is not None
    assert (record.n_unknown, record.auroc) == (2, 7 / 8)
    assert record.auroc_probability == pytest.approx(0.25)
    assert (record.known_accepted, record.unknown_rejected) == (0.75, 0.5)  # a cosine at the threshold is accepted


def test_an_answer_without_unknown_queries_or_without_a_threshold_is_not_judged() -> None:
    scores = _scores([0.9], [0.6])

    assert detection_record(Answer(np.zeros(1, np.int64), 0.1, scores=scores, unknown_threshold=0.5)) is None
    assert detection_record(Answer(np.zeros(1, np.int64), 0.1, scores=scores, unknown=scores)) is None
