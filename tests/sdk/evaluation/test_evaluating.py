"""The evaluation: the same episodes for everyone, replayable, with the right sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hyperflow.errors import ConfigError, DataError
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.evaluating import evaluate
from hyperflow.evaluation.journal import Journal
from hyperflow.evaluation.methods import ALL_METHODS, METHODS, Answer, Features, Frame, Task
from hyperflow.evaluation.records import AnswerRecord, EpisodeRecord
from hyperflow.evaluation.results import SetResult, sum_up
from hyperflow.evaluation.statistics import paired_difference, summarise
from hyperflow.images.image_set import ImageSet

CONFIG = EvaluationConfig(n_way=8, n_shot=1, n_query=3, episodes=3, seed=5, costs=False)


class Scripted:
    """Answers every method with one class, and remembers what it was shown."""

    methods = ALL_METHODS

    def __init__(self, answer: int = 0) -> None:
        self._answer = answer
        self.seen: list[bytes] = []

    def frame(self, image: Image.Image) -> Frame:
        return np.asarray(image)

    def encode(self, frames: Sequence[Frame]) -> Features:
        return np.zeros((len(frames), 1), np.float32)

    def answer(self, task: Task, methods: Sequence[str] = METHODS) -> Mapping[str, Answer]:
        pixels = b"".join(frame.tobytes() for frame in (*task.support, *task.queries))
        self.seen.append(pixels + task.labels.tobytes() + task.seed.to_bytes(8, "big"))
        return {method: Answer(np.full(len(task.queries), self._answer), 0.0) for method in methods}

    def n_tuning_steps(self, method: str) -> int:
        return 0

    def adaptation(self, task: Task, method: str, *, n_steps: int | None = None) -> Callable[[], object]:
        return lambda: None


class Counted(Scripted):
    """Counts how often it was asked to adapt, to be measured."""

    n_adapted = 0

    def adaptation(self, task: Task, method: str, *, n_steps: int | None = None) -> Callable[[], object]:
        self.n_adapted += 1
        return lambda: None


class HalfRight(Scripted):
    """Direct is always wrong, guarded right on every other query, everything else always right."""

    def answer(self, task: Task, methods: Sequence[str] = METHODS) -> Mapping[str, Answer]:
        right = np.arange(task.n_way).repeat(len(task.queries) // task.n_way)
        wrong = (right + 1) % task.n_way
        half = np.where(np.arange(len(right)) % 2, right, wrong)
        return {m: Answer({"direct": wrong, "guarded": half}.get(m, right), 1.0) for m in methods}


def test_the_same_seed_gives_the_same_result_and_another_seed_another(make_subject, sets: list[ImageSet]) -> None:
    subject = make_subject(step_size=20.0, candidates=(0.0, 20.0), penalties=(0.0, 0.0))

    first, again = (evaluate(subject, "tiny", sets, CONFIG)[0].sets for _ in range(2))
    other = evaluate(subject, "tiny", sets, msgspec.structs.replace(CONFIG, seed=6))[0].sets

    assert first == again
    assert {name: one.per_episode for name, one in other.items()} != {n: one.per_episode for n, one in first.items()}


def test_every_subject_sees_the_same_episodes_whatever_ran_before(sets: list[ImageSet]) -> None:
    one, two, last_set_only, longer = (Scripted(answer) for answer in (0, 1, 2, 3))

    evaluate(one, "one", sets, CONFIG)
    evaluate(two, "two", sets, CONFIG)
    evaluate(last_set_only, "three", sets[1:], CONFIG)
    evaluate(longer, "four", sets[:1], msgspec.structs.replace(CONFIG, episodes=5))

    assert one.seen == two.seen
    assert one.seen[3:] == last_set_only.seen
    assert one.seen[:3] == longer.seen[:3]
    assert len(set(longer.seen)) == 5


def test_accuracies_and_paired_gains_are_summed_up_for_each_set_and_over_sets(sets: list[ImageSet]) -> None:
    told: list[tuple[str, int]] = []

    result, records = evaluate(
        HalfRight(), "half", sets, CONFIG, on_episode=lambda record: told.append((record.set, record.index))
    )

    assert told == [(name, index) for name in ("disc", "square") for index in range(3)]
    for one in [*result.sets.values(), result.mean]:
        assert {name: estimate.mean for name, estimate in one.accuracy.items()} == {
            "direct": 0.0, "adapted": 100.0, "guarded": 50.0
        }  # fmt: skip
        assert {name: estimate.mean for name, estimate in one.gain.items()} == {"adapted": 100.0, "guarded": 50.0}
        assert all(estimate.ci95 == 0.0 for estimate in [*one.accuracy.values(), *one.gain.values()])
    assert result.sets["disc"].per_episode["guarded"] == [0.5] * 3
    assert result.mean.per_episode == {}
    assert [record.answers["adapted"].accuracy for record in records["square"]] == [1.0] * 3
    assert {method: cost.seconds for method, cost in result.cost.items()} == dict.fromkeys(METHODS, 1.0)


def test_the_mean_weighs_sets_alike_and_adds_their_variances(make_subject, sets: list[ImageSet]) -> None:
    result, _ = evaluate(make_subject(step_size=20.0), "tiny", sets, CONFIG)

    parts = [one.accuracy["adapted"] for one in result.sets.values()]
    assert min(part.ci95 for part in parts) > 0
    assert parts == [summarise(one.per_episode["adapted"]) for one in result.sets.values()]
    assert result.mean.accuracy["adapted"].mean == pytest.approx(np.mean([part.mean for part in parts]))
    assert result.mean.accuracy["adapted"].ci95 == pytest.approx(np.hypot(parts[0].ci95, parts[1].ci95) / 2)


def test_methods_with_gradients_answer_the_first_episodes_only_and_are_paired_with_these(sets: list[ImageSet]) -> None:
    config = msgspec.structs.replace(CONFIG, methods=("direct", "subset_tuning"), tuning_episodes=2)

    result, records = evaluate(HalfRight(), "half", sets, config)

    assert result.mean.n == {"direct": 6, "subset_tuning": 4}
    assert [list(record.answers) for record in records["disc"]] == [["direct", "subset_tuning"]] * 2 + [["direct"]]
    assert result.sets["disc"].per_episode == {"direct": [0.0] * 3, "subset_tuning": [1.0] * 2}
    assert result.sets["disc"].gain["subset_tuning"].mean == 100.0


accuracies = st.floats(0, 1)
episodes = st.lists(st.tuples(accuracies, accuracies, accuracies), min_size=2, max_size=20)


@given(episodes, st.data())
def test_gains_pair_each_value_with_direct_in_its_own_episode(
    values: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    n_tuned = data.draw(st.integers(1, len(values)))
    records = []
    for index, (direct, adapted, tuned) in enumerate(values):
        answers = {"direct": AnswerRecord(direct, 0.1), "adapted": AnswerRecord(adapted, 0.1)}
        if index < n_tuned:
            answers["subset_tuning"] = AnswerRecord(tuned, 0.1)
        records.append(EpisodeRecord("set", index, 5, 25, answers))
    config = EvaluationConfig(methods=("direct", "adapted", "subset_tuning"), episodes=len(values))

    result = sum_up("subject", config, {"set": records}, None).sets["set"]

    direct, adapted, tuned = (list(column) for column in zip(*values, strict=True))
    assert result.gain["adapted"] == paired_difference(adapted, direct)
    assert result.gain["subset_tuning"] == paired_difference(tuned[:n_tuned], direct[:n_tuned])
    assert result.n == {"direct": len(values), "adapted": len(values), "subset_tuning": n_tuned}


def _grouped(index: int, **groups: tuple[float, ...]) -> EpisodeRecord:
    answers = {m: AnswerRecord(float(np.mean(values)), 0.1, groups=values) for m, values in groups.items()}
    return EpisodeRecord("user", index, 2, 4, answers)


def test_where_queries_come_in_groups_each_group_is_one_value() -> None:
    records = [
        _grouped(0, direct=(0.0, 1.0, 0.5), adapted=(0.5, 1.0, 1.0)),
        _grouped(1, direct=(0.2,), adapted=(0.1,)),
    ]

    result = sum_up("s", EvaluationConfig(methods=("direct", "adapted")), {"user": records}, None)
    of_set: SetResult = result.sets["user"]

    assert of_set.accuracy["direct"] == summarise([0.0, 1.0, 0.5, 0.2])
    assert of_set.gain["adapted"] == paired_difference([0.5, 1.0, 1.0, 0.1], [0.0, 1.0, 0.5, 0.2])
    assert of_set.n == {"direct": 4, "adapted": 4}
    assert of_set.per_episode["direct"] == [0.5, 0.2]
    assert result.over_groups["adapted"] == summarise([0.5, 1.0, 1.0, 0.1])


def test_the_share_of_the_tuning_gain_uses_the_episodes_that_tuning_answered() -> None:
    def record(index: int, **values: float) -> EpisodeRecord:
        return EpisodeRecord("set", index, 5, 5, {name: AnswerRecord(value, 0.1) for name, value in values.items()})

    records = [
        record(0, direct=0.2, adapted=0.3, subset_tuning=0.4),
        record(1, direct=0.4, adapted=0.5, subset_tuning=0.6),
        record(2, direct=0.4, adapted=1.0),
    ]
    config = EvaluationConfig(methods=("direct", "adapted", "subset_tuning"))

    result = sum_up("s", config, {"set": records}, None)

    assert result.sets["set"].recovered["adapted"].mean == pytest.approx(50.0)
    assert result.mean.recovered["adapted"].mean == pytest.approx(50.0)


def test_what_a_journal_holds_is_neither_answered_nor_measured_again(sets: list[ImageSet], tmp_path: Path) -> None:
    config = msgspec.structs.replace(CONFIG, costs=True)
    first, again = Counted(), Counted()

    results = []
    for subject in (first, again):
        with Journal(tmp_path / "journal", "run", resume=True) as journal:
            results.append(evaluate(subject, "s", sets, config, journal=journal))

    assert len(first.seen) == 6
    assert first.n_adapted > 0
    assert (again.seen, again.n_adapted) == ([], 0)
    assert results[0] == results[1]


def test_a_set_that_is_too_small_is_refused(sets: list[ImageSet]) -> None:
    with pytest.raises(DataError, match="9-way 1-shot with 3 queries needs 9 classes"):
        evaluate(Scripted(), "r", sets, msgspec.structs.replace(CONFIG, n_way=9))


@pytest.mark.parametrize("values", [{"n_way": 1}, {"n_shot": 0}, {"n_query": 0}, {"episodes": 0}])
def test_a_count_below_its_least_value_is_refused(values: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="n_way must be 2 or more and every other count 1 or more"):
        EvaluationConfig(**values)


@pytest.mark.parametrize(
    ("methods", "message"),
    [(("direct", "magic"), "no method magic; choose from direct, adapted"), (("adapted",), "methods must hold direct")],
)
def test_methods_are_known_and_direct_is_among_them(methods: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EvaluationConfig(methods=methods)
