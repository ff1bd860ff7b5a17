"""What an evaluation leaves behind: tables, CSV, plots."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from hyperflow.errors import ConfigError
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.csv_file import COLUMNS, csv_of
from hyperflow.evaluation.evaluating import evaluate
from hyperflow.evaluation.plots import draw_plots
from hyperflow.evaluation.records import AnswerRecord, CostRecord, CurveRecord, EpisodeRecord, MeasuredCost
from hyperflow.evaluation.report import tables_of
from hyperflow.evaluation.results import Evaluation, sum_up
from hyperflow.evaluation.sweep import draw_sweep, evaluate_sweep
from hyperflow.images.image_set import ImageSet

VALUES = {
    "direct": 0.5,
    "adapted": 0.6,
    "guarded": 0.625,
    "subset_tuning": 0.7,
    "full_tuning": 0.8,
    "linear_probe": 0.4,
}


def _records(methods: tuple[str, ...], *, n_way: int = 5, ways_grow: bool = False) -> list[EpisodeRecord]:
    """Four episodes in which every method has its own accuracy, moved by the episode for all alike."""
    records = []
    for index in range(4):
        answers = {
            m: AnswerRecord(VALUES[m] + index / 100, 0.1 * (index + 1), 0.5 if m == "adapted" else None)
            for m in methods
        }
        curves = CurveRecord(((0, 0.5), (1, 0.6 + index / 100)), ((0.0, 0.5), (2.0, None)))
        ways = n_way + (index // 2 if ways_grow else 0)
        records.append(EpisodeRecord("", index, ways, 5 * ways, answers, curves))
    return records


def _evaluation(methods: tuple[str, ...], *, ways_grow: bool = False) -> Evaluation:
    records = _records(methods, ways_grow=ways_grow)
    costs = CostRecord("disc", 5, 25, {"direct": MeasuredCost(1.5, 2e9)})
    config = EvaluationConfig(8, 1, 3, episodes=4, seed=5, methods=methods)
    return sum_up("half", config, {"disc": records, "square": records}, costs)


def _text(evaluation: Evaluation, width: int) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        for table in tables_of(evaluation):
            console.print(table)
    return captured.get()


def test_few_methods_make_a_table_with_a_row_for_each_set_and_one_for_their_mean() -> None:
    text = _text(_evaluation(("direct", "adapted", "guarded")), 120)

    assert "half: 8-way 1-shot, 4 episodes a set, seed 5" in text
    for name in ("disc", "square", "mean over sets"):
        (row,) = [line for line in text.splitlines() if name in line and "±" in line]
        cells = re.findall(r"[+\d.]+ ± [\d.]+", row)
        assert [cell.split()[0] for cell in cells] == ["51.5", "61.5", "64.0", "+10.0", "+12.5"]


def test_many_methods_fit_a_terminal_of_80_columns_with_the_share_of_the_tuning_gain() -> None:
    text = _text(_evaluation(tuple(VALUES)), 80)

    rows = [line for line in text.splitlines() if "full_tuning" in line and "±" in line]
    assert len(rows) == 3
    assert all(re.search(r"81\.5 ± \d+\.\d │ \+30\.0 ± 0\.0 │", row) for row in rows)
    rows = [line for line in text.splitlines() if "adapted" in line and "±" in line]
    assert len(rows) == 3
    assert all("50.0 ± 0.0" in row for row in rows)
    assert "…" not in text


def test_costs_are_shown_with_what_could_be_measured() -> None:
    text = _text(_evaluation(("direct", "adapted")), 80)

    (direct,) = [line for line in text.splitlines() if re.match(r"│ direct +│", line)]
    (adapted,) = [line for line in text.splitlines() if re.match(r"│ adapted +│", line)]
    assert [cell.strip() for cell in direct.strip("│").split("│")][1:] == ["8", "0", "0.2500", "100.0%", "1.5", "2.000"]
    assert [cell.strip() for cell in adapted.strip("│").split("│")][-2:] == ["-", "-"]


def test_a_narrow_terminal_folds_a_long_name_and_loses_no_letter_of_it() -> None:
    evaluation = _evaluation(("direct", "adapted", "guarded"))
    name = "steel_strip_from_the_mill"
    text = _text(msgspec.structs.replace(evaluation, sets={name: evaluation.sets["disc"]}), 80)

    first_cells = [line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│")]
    assert "".join(first_cells).startswith(name)


def test_a_csv_file_reads_back_as_the_records() -> None:
    records = [msgspec.structs.replace(record, set='with "quotes", and commas') for record in _records(tuple(VALUES))]

    rows = list(csv.DictReader(io.StringIO(csv_of({"any": records}))))

    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 4 * len(VALUES)
    for row in rows:
        record = records[int(row["episode"])]
        answer = record.answers[row["method"]]
        assert (row["set"], int(row["n_way"]), int(row["n_support"])) == (record.set, record.n_way, record.n_support)
        assert (float(row["accuracy"]), float(row["seconds"])) == (answer.accuracy, answer.seconds)
        assert (float(row["step_size"]) if row["step_size"] else None) == answer.step_size
        assert row["failed"] == "0"


@pytest.mark.parametrize("ways_grow", [False, True])
def test_plots_come_with_their_numbers_and_only_where_there_is_something_to_see(
    ways_grow: bool, tmp_path: Path
) -> None:
    evaluation = _evaluation(tuple(VALUES), ways_grow=ways_grow)

    draw_plots(evaluation, tmp_path)

    names = {"gain_per_set", "cost_against_accuracy"}
    names |= {f"{what}_over_{x}" for what in ("accuracy", "gain") for x in ("euler_steps", "step_size")}
    names |= {"accuracy_over_ways"} if ways_grow else set()
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.{suffix}" for name in names for suffix in ("png", "json")
    }
    for name in names:
        with Image.open(tmp_path / f"{name}.png") as image:
            assert len(np.unique(np.asarray(image.convert("L")))) > 20  # not one flat colour
    numbers = json.loads((tmp_path / "gain_per_set.json").read_text())
    assert numbers["disc"]["adapted"]["mean"] == pytest.approx(10.0)
    curve = json.loads((tmp_path / "accuracy_over_step_size.json").read_text())
    assert curve["disc"]["x"] == [0.0]  # the point that was not finite is left out
    if ways_grow:
        line = json.loads((tmp_path / "accuracy_over_ways.json").read_text())["direct"]
        assert line["x"] == [5.0, 6.0]
        assert [point["mean"] for point in line["y"]] == pytest.approx([50.5, 52.5])


def test_a_sweep_evaluates_at_each_value_and_draws_the_means(
    make_subject, sets: list[ImageSet], tmp_path: Path
) -> None:
    config = EvaluationConfig(8, 1, 3, episodes=2, costs=False)

    results = evaluate_sweep(make_subject(), "tiny", sets, config, over="n_shot", values=(1, 4))
    draw_sweep(results, "n_shot", tmp_path)

    by_itself, _ = evaluate(make_subject(), "tiny", sets, msgspec.structs.replace(config, n_shot=4))
    assert results[4].sets == by_itself.sets
    assert results[1].sets != results[4].sets
    numbers = json.loads((tmp_path / "accuracy_over_n_shot.json").read_text())
    assert numbers["guarded"]["x"] == [1.0, 4.0]
    assert numbers["guarded"]["y"][1]["mean"] == by_itself.mean.accuracy["guarded"].mean


def test_a_quantity_that_the_protocol_decides_cannot_be_swept(make_subject, sets: list[ImageSet]) -> None:
    config = EvaluationConfig(None, None, None, protocol="meta-dataset")

    with pytest.raises(ConfigError, match="protocol meta-dataset decides n_way by itself"):
        evaluate_sweep(make_subject(), "tiny", sets, config, over="n_way", values=(5,))
