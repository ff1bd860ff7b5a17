"""The protocol: the same episodes for everyone, replayable, with the right sums; and a checkpoint's answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from hyperflow.adapted.prototypes import cosine_scores, prototypes_of
from hyperflow.checkpoint import save_checkpoint
from hyperflow.errors import CheckpointError, ConfigError, DataError
from hyperflow.evaluation.protocol import EvaluationConfig, evaluate
from hyperflow.evaluation.report import table_of
from hyperflow.evaluation.statistics import summarise
from hyperflow.evaluation.subjects import METHODS, CheckpointSubject, Labels, open_subject
from hyperflow.images.image_set import ImageSet, open_image_set, open_image_sets
from hyperflow.images.preprocessing import crop_and_resize, normalise
from hyperflow.model import DeviceDefaults, HyperFlow

CONFIG = EvaluationConfig(n_way=8, n_shot=1, n_query=3, episodes=3, seed=5)


class Recorder:
    """Answers every method with one class, and remembers what it was shown."""

    def __init__(self, answer: int) -> None:
        self._answer = answer
        self.seen: list[bytes] = []

    def answer(
        self, support: Sequence[Image.Image], labels: Labels, queries: Sequence[Image.Image], n_way: int
    ) -> Mapping[str, Labels]:
        self.seen.append(b"".join(image.tobytes() for image in [*support, *queries]) + labels.tobytes())
        return dict.fromkeys(METHODS, np.full(len(queries), self._answer))


class HalfRight:
    """Direct is always wrong, adapted always right, guarded right on every other query."""

    def answer(
        self, support: Sequence[Image.Image], labels: Labels, queries: Sequence[Image.Image], n_way: int
    ) -> Mapping[str, Labels]:
        right = np.arange(n_way).repeat(len(queries) // n_way)
        wrong = (right + 1) % n_way
        return {"direct": wrong, "adapted": right, "guarded": np.where(np.arange(len(queries)) % 2, right, wrong)}


@pytest.fixture(scope="module")
def sets(shape_sets: Path) -> list[ImageSet]:
    return [image_set for image_set in open_image_sets(shape_sets) if image_set.name in ("disc", "square")]


def test_the_same_seed_gives_the_same_result_and_another_seed_another(
    tiny_model: HyperFlow, sets: list[ImageSet]
) -> None:
    subject = _with_device(tiny_model, step_size=20.0, candidates=(0.0, 20.0), penalties=(0.0, 0.0))

    first, again = (evaluate(subject, "tiny", sets, CONFIG) for _ in range(2))
    other = evaluate(subject, "tiny", sets, msgspec.structs.replace(CONFIG, seed=6))

    assert first == again
    assert {name: result.per_episode for name, result in other.sets.items()} != {
        name: result.per_episode for name, result in first.sets.items()
    }


def test_every_subject_sees_the_same_episodes_whatever_ran_before(sets: list[ImageSet]) -> None:
    one, two, last_set_only, longer = (Recorder(answer) for answer in (0, 1, 2, 3))

    evaluate(one, "one", sets, CONFIG)
    evaluate(two, "two", sets, CONFIG)
    evaluate(last_set_only, "three", sets[1:], CONFIG)
    evaluate(longer, "four", sets[:1], msgspec.structs.replace(CONFIG, episodes=5))

    assert one.seen == two.seen
    assert one.seen[3:] == last_set_only.seen
    assert one.seen[:3] == longer.seen[:3]
    assert len(set(longer.seen)) == 5


def test_accuracies_and_paired_gains_are_summed_up_for_each_set_and_over_sets(sets: list[ImageSet]) -> None:
    names: list[str] = []

    result = evaluate(HalfRight(), "half", sets, CONFIG, progress=names.append)

    assert names == ["disc"] * 3 + ["square"] * 3
    for one in [*result.sets.values(), result.mean]:
        assert {name: estimate.mean for name, estimate in one.accuracy.items()} == {
            "direct": 0.0, "adapted": 100.0, "guarded": 50.0
        }  # fmt: skip
        assert {name: estimate.mean for name, estimate in one.gain.items()} == {"adapted": 100.0, "guarded": 50.0}
        assert all(estimate.ci95 == 0.0 for estimate in [*one.accuracy.values(), *one.gain.values()])
    assert result.sets["disc"].per_episode["guarded"] == [0.5] * 3
    assert result.mean.per_episode == {}


def test_the_mean_weighs_sets_alike_and_adds_their_variances(sets: list[ImageSet], tiny_model: HyperFlow) -> None:
    subject = _with_device(tiny_model, step_size=20.0)
    result = evaluate(subject, "tiny", sets, CONFIG)

    parts = [one.accuracy["adapted"] for one in result.sets.values()]
    assert min(part.ci95 for part in parts) > 0
    assert parts == [summarise(one.per_episode["adapted"]) for one in result.sets.values()]
    assert result.mean.accuracy["adapted"].mean == pytest.approx(np.mean([part.mean for part in parts]))
    assert result.mean.accuracy["adapted"].ci95 == pytest.approx(np.hypot(parts[0].ci95, parts[1].ci95) / 2)


def test_a_table_has_a_row_for_each_set_and_one_for_their_mean(sets: list[ImageSet]) -> None:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(table_of(evaluate(HalfRight(), "half", sets, CONFIG)))
    text = captured.get()

    assert "half: 8-way 1-shot, 3 episodes a set, seed 5" in text
    for name in ("disc", "square", "mean over sets"):
        (row,) = [line for line in text.splitlines() if name in line and "±" in line]
        assert re.findall(r"[+\d.]+ ± [\d.]+", row) == [
            "0.0 ± 0.0", "100.0 ± 0.0", "50.0 ± 0.0", "+100.0 ± 0.0", "+50.0 ± 0.0"
        ]  # fmt: skip


def test_a_narrow_terminal_folds_a_long_name_and_loses_no_letter_of_it(sets: list[ImageSet]) -> None:
    result = evaluate(HalfRight(), "half", sets, CONFIG)
    name = "steel_strip_from_the_mill"
    console = Console(width=80)
    with console.capture() as captured:
        console.print(table_of(msgspec.structs.replace(result, sets={name: result.sets["disc"]})))

    first_cells = [line.split("│")[1].strip() for line in captured.get().splitlines() if line.startswith("│")]
    assert "".join(first_cells).startswith(name)


def test_a_set_that_is_too_small_is_refused(sets: list[ImageSet]) -> None:
    with pytest.raises(DataError, match="9-way 1-shot with 3 queries needs 9 classes"):
        evaluate(Recorder(0), "r", sets, msgspec.structs.replace(CONFIG, n_way=9))


@pytest.mark.parametrize("values", [{"n_way": 1}, {"n_shot": 0}, {"n_query": 0}, {"episodes": 0}])
def test_a_count_below_its_least_value_is_refused(values: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="n_way must be 2 or more and every other count 1 or more"):
        EvaluationConfig(**values)


def _episode(shape_sets: Path, n_shot: int) -> tuple[list[Image.Image], Labels, list[Image.Image]]:
    """Support of eight classes, and five queries of each."""
    image_set = open_image_set(shape_sets / "triangle")
    groups = list(image_set.classes.values())
    support = [image_set.image(member) for group in groups for member in group[:n_shot]]
    queries = [image_set.image(member) for group in groups for member in group[5:10]]
    return support, np.arange(8).repeat(n_shot), queries


def _with_device(model: HyperFlow, **values: object) -> CheckpointSubject:
    model.config = msgspec.structs.replace(model.config, device=DeviceDefaults(**values))  # type: ignore[arg-type]
    return CheckpointSubject(model)


def _answers_by_hand(
    model: HyperFlow, shape_sets: Path, n_shot: int, step_sizes: Sequence[float]
) -> dict[float, list[int]]:
    support, labels, queries = _episode(shape_sets, n_shot)
    rule, onehot = model.config.preprocessing, torch.eye(8)[torch.from_numpy(labels)]
    images, others = (
        normalise(torch.from_numpy(np.stack([crop_and_resize(image, rule) for image in group])), rule)
        for group in (support, queries)
    )
    answers = {}
    with torch.no_grad():
        for step_size in step_sizes:
            theta = model.adapt(model.encode(images), onehot, torch.tensor(step_size)).theta
            prototypes = prototypes_of(model.encode(images, theta), onehot)
            answers[step_size] = cosine_scores(model.encode(others, theta), prototypes).argmax(dim=1).tolist()
    return answers


@pytest.mark.parametrize(
    ("penalties", "n_shot", "expected"),
    [
        ((0.0, 9.0, 9.0), 4, 0.0),
        ((9.0, 0.0, 9.0), 4, 5.0),
        ((9.0, 9.0, 0.0), 4, 20.0),
        ((0.0, 0.0, 9.0), 1, 20.0),
    ],
    ids=["stays", "small step", "large step", "one shot: the default step"],
)
def test_a_checkpoint_answers_direct_adapted_and_by_what_the_guard_chose(
    tiny_model: HyperFlow, shape_sets: Path, penalties: tuple[float, ...], n_shot: int, expected: float
) -> None:
    by_hand = _answers_by_hand(tiny_model, shape_sets, n_shot, (0.0, 5.0, 20.0))
    assert len({tuple(labels) for labels in by_hand.values()}) == 3
    subject = _with_device(tiny_model, step_size=20.0, candidates=(0.0, 5.0, 20.0), penalties=penalties)

    support, labels, queries = _episode(shape_sets, n_shot)
    answers = subject.answer(support, labels, queries, 8)

    assert answers["direct"].tolist() == by_hand[0.0]
    assert answers["adapted"].tolist() == by_hand[20.0]
    assert answers["guarded"].tolist() == by_hand[expected]


@pytest.mark.parametrize(("default", "nearest"), [(20.0, 5.0), (6.0, 5.0), (1.0, 0.0), (2.5, 0.0)])
def test_with_one_shot_and_a_default_that_is_no_candidate_the_nearest_candidate_stands(
    tiny_model: HyperFlow, shape_sets: Path, default: float, nearest: float
) -> None:
    by_hand = _answers_by_hand(tiny_model, shape_sets, 1, (0.0, 5.0))
    assert by_hand[0.0] != by_hand[5.0]
    subject = _with_device(tiny_model, step_size=default, candidates=(0.0, 5.0), penalties=(0.0, 0.0))

    support, labels, queries = _episode(shape_sets, 1)
    answers = subject.answer(support, labels, queries, 8)

    assert answers["guarded"].tolist() == by_hand[nearest]


def test_a_checkpoint_is_opened_as_a_subject(tiny_model: HyperFlow, tmp_path: Path) -> None:
    save_checkpoint(tiny_model, tmp_path)

    assert isinstance(open_subject(tmp_path), CheckpointSubject)


def test_a_folder_that_is_neither_checkpoint_nor_bundle_is_refused(tmp_path: Path) -> None:
    message = f"{tmp_path} is neither a checkpoint (config.json) nor a bundle (manifest.json)"

    with pytest.raises(CheckpointError, match=re.escape(message)):
        open_subject(tmp_path)
