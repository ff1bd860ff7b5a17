"""The figures of every model card, and of the README, are those of the stored evaluations."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "benchmarks/reference"
FIGURE = re.compile(r"[+-]?\d+\.\d ± \d+\.\d")


def stored(model: str) -> list[Path]:
    """Evaluations of a model, `evaluation-MODEL.json` and `evaluation-MODEL-SHAPE.json`; no overviews of shapes."""
    found = [*REFERENCE.glob(f"*/evaluation-{model}.json"), *REFERENCE.glob(f"*/evaluation-{model}-*.json")]
    return sorted(path for path in found if "sets" in json.loads(path.read_text()))


def main_evaluation(model: str) -> Path | None:
    """That of 5-way 5-shot."""
    names = (f"evaluation-{model}.json", f"evaluation-{model}-5x5.json")
    return next((path for path in stored(model) if path.name in names), None)


MODELS = sorted(card.parent.name for card in ROOT.glob("models/*/MODEL_CARD.md") if main_evaluation(card.parent.name))


@pytest.fixture(scope="module")
def card_tables() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("card_tables")


def tables_of(text: str) -> Iterator[list[list[str]]]:
    """Rows of cells of each Markdown table, headings first."""
    for block in re.findall(r"(?:^\|.*\|\n)+", text + "\n", re.MULTILINE):
        head, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines())
        yield [head, *rows[1:]]


def disagreements(found: list[list[str]], expected: list[list[str]]) -> list[str]:
    """Cells of a card's table that differ from the stored one; the card may leave out columns, but no row."""
    columns = {heading: number for number, heading in enumerate(expected[0])}
    wrong = [f"no column {heading!r} is stored" for heading in found[0] if heading not in columns]
    by_name = {row[0]: row for row in found[1:]}
    for row in expected[1:]:
        own = by_name.pop(row[0], None)
        if own is None:
            wrong.append(f"the row {row[0]} is missing")
            continue
        known = [(head, cell) for head, cell in zip(found[0], own, strict=True) if head in columns]
        wrong += [f"{row[0]}, {head}: {cell}" for head, cell in known if cell != row[columns[head]]]
    return wrong + [f"the row {name} is not stored" for name in by_name]


def test_there_are_models_with_cards_and_stored_evaluations() -> None:
    assert MODELS


@pytest.mark.parametrize("model", MODELS)
def test_the_table_of_sets_is_the_stored_evaluation(model: str, card_tables: ModuleType) -> None:
    main = main_evaluation(model)
    assert main is not None
    by_title = {}
    for path in (main, *stored(model)):
        table = card_tables.set_table(card_tables.read_evaluation(path))
        by_title.setdefault(table[0][0], table)
    in_card = [table for table in tables_of((ROOT / f"models/{model}/MODEL_CARD.md").read_text())]

    tables_of_sets = [table for table in in_card if any(row[0] == card_tables.MEAN for row in table)]
    titles = [table[0][0] for table in tables_of_sets]
    assert next(iter(by_title)) in titles, "print the table of the sets with benchmarks/card_tables.py"
    assert set(titles) <= by_title.keys(), "a table is of no stored evaluation"
    for table in tables_of_sets:
        assert disagreements(table, by_title[table[0][0]]) == []


@pytest.mark.parametrize("model", MODELS)
def test_the_means_of_shapes_are_the_stored_evaluations(model: str, card_tables: ModuleType) -> None:
    shapes = [path for path in stored(model) if path == main_evaluation(model) or re.search(r"-\d+x\d+$", path.stem)]
    evaluations = [card_tables.read_evaluation(path) for path in shapes]
    found = list(tables_of((ROOT / f"models/{model}/MODEL_CARD.md").read_text()))
    for make in (card_tables.shape_table, card_tables.figure_table):
        expected = make(evaluations)
        mine = [table for table in found if expected and table[0][:2] == expected[0][:2]]
        for table in mine:
            wanted = {tuple(row[:2]): row for row in expected[1:]}
            assert [tuple(row[:2]) for row in table[1:]] == [tuple(row[:2]) for row in expected[1:]]
            for row in table[1:]:
                assert disagreements([table[0], row], [expected[0], wanted[tuple(row[:2])]]) == []
        assert mine or make is card_tables.figure_table or len(evaluations) == 1, "the card has no table of shapes"


def estimates_in(value: Any) -> Iterator[dict[str, float]]:
    if isinstance(value, dict):
        if {"mean", "ci95"} <= value.keys() and isinstance(value["mean"], float):
            yield value
        elif {"mb_per_hour", "half_width"} <= value.keys():  # how memory went in a soak
            yield {"mean": value["mb_per_hour"], "ci95": value["half_width"]}
        else:
            for inner in value.values():
                yield from estimates_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from estimates_in(inner)


def test_every_figure_with_an_interval_in_the_readme_is_stored() -> None:
    figures = set()
    for path in REFERENCE.glob("*/*.json"):
        for one in estimates_in(json.loads(path.read_text())):
            figures |= {f"{one['mean']:.1f} ± {one['ci95']:.1f}", f"{one['mean']:+.1f} ± {one['ci95']:.1f}"}
    in_readme = FIGURE.findall((ROOT / "README.md").read_text())

    assert in_readme
    assert [figure for figure in in_readme if figure not in figures] == []


@pytest.mark.parametrize("model", MODELS)
def test_the_readme_names_the_evaluation_of_each_model_and_states_what_it_found(model: str) -> None:
    readme, main = (ROOT / "README.md").read_text(), main_evaluation(model)
    assert main is not None
    assert re.search(rf"hyperflow evaluate (models/{model}|(build/)?{model}\.hyperflow) ", readme)
    accuracy = json.loads(main.read_text())["mean"]["accuracy"]

    assert any(f"{one['mean']:.1f} ± {one['ci95']:.1f}" in readme for one in accuracy.values())
