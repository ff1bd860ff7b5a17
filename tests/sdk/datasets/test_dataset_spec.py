"""`dataset_spec.json`: the three kinds, classes and structure of each split, and files that contradict themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperflow.datasets.dataset_spec import DatasetSpec, read_dataset_spec
from hyperflow.errors import DataError
from hyperflow.images.structure import ClassGraph, Superclasses

from .conftest import plain_spec, write_spec

BILEVEL = {
    "__class__": "BiLevelDatasetSpecification",
    "superclasses_per_split": {"TRAIN": 2, "VALID": 1, "TEST": 1},
    "classes_per_superclass": {"0": 2, "1": 1, "2": 3, "3": 2},
    "superclass_names": {"0": "Latin", "1": "Greek", "2": "Korean", "3": "Tibetan"},
    "images_per_class": {str(number): 20 for number in range(8)},
    "class_names": {str(number): f"character{number}" for number in range(8)},
}


def _node(name: str, children: str = "", parents: str = "") -> dict[str, Any]:
    return {"wn_id": name, "words": name, "children_ids": children.split(), "parents_ids": parents.split()}


# a diamond: the leaf n8 lies below both n2 and n3; n9 below n3 only; n7 below n2 only
TEST_GRAPH = [
    _node("n1", "n2 n3"), _node("n3", "n8 n9", "n1"), _node("n2", "n7 n8", "n1"),
    _node("n9", "", "n3"), _node("n8", "", "n2 n3"), _node("n7", "", "n2"),
]  # fmt: skip
HIERARCHICAL = {
    "__class__": "HierarchicalDatasetSpecification",
    "split_subgraphs": {
        "TRAIN": [_node("n0", "n4 n5"), _node("n4"), _node("n5")],
        "VALID": [_node("n6")],
        "TEST": TEST_GRAPH,
    },
    "images_per_class": {
        "TRAIN": {"n0": 9, "n4": 4, "n5": 5},
        "VALID": {"n6": 6},
        "TEST": {"n1": 24, "n2": 15, "n3": 17, "n7": 7, "n8": 8, "n9": 9},
    },
    "class_names": {"0": "n4", "1": "n5", "2": "n6", "3": "n7", "4": "n8", "5": "n9"},
}


def _read(folder: Path, **spec: Any) -> DatasetSpec:
    write_spec(folder, **spec)
    return read_dataset_spec(folder / "dataset_spec.json")


def _rows(entries: tuple[Any, ...]) -> list[tuple[int, str, int]]:
    return [(entry.number, entry.name, entry.n_images) for entry in entries]


def test_a_plain_specification_counts_classes_through_the_splits(tmp_path: Path) -> None:
    spec = _read(tmp_path, **plain_spec((2, 0, 1), [5, 6, 7], ["oak", "ash", "elm"]))

    assert _rows(spec.of_split("TRAIN")[0]) == [(0, "oak", 5), (1, "ash", 6)]
    assert _rows(spec.of_split("VALID")[0]) == []
    assert _rows(spec.of_split("TEST")[0]) == [(2, "elm", 7)]
    assert len(spec.of_split(None)[0]) == 3
    assert spec.of_split("TEST")[1] is None


def test_names_may_be_numbers_and_repeated_names_are_told_apart(tmp_path: Path) -> None:
    spec = _read(tmp_path, **plain_spec((0, 0, 4), [5, 6, 7, 8], [3, 1, "oak", "oak"]))

    assert _rows(spec.of_split("TEST")[0]) == [(0, "3", 5), (1, "1", 6), (2, "oak (2)", 7), (3, "oak (3)", 8)]


def test_superclasses_hold_the_classes_of_their_split_counted_from_its_first(tmp_path: Path) -> None:
    spec = _read(tmp_path, **BILEVEL)

    entries, groups = spec.of_split("TRAIN")
    assert [entry.number for entry in entries] == [0, 1, 2]
    assert isinstance(groups, Superclasses)
    assert (groups.names, [c.tolist() for c in groups.classes]) == (("Latin", "Greek"), [[0, 1], [2]])
    entries, groups = spec.of_split("TEST")
    assert [entry.number for entry in entries] == [6, 7]
    assert isinstance(groups, Superclasses)
    assert (groups.names, [c.tolist() for c in groups.classes]) == (("Tibetan",), [[0, 1]])


def test_all_splits_together_keep_their_superclasses(tmp_path: Path) -> None:
    entries, groups = _read(tmp_path, **BILEVEL).of_split(None)

    assert isinstance(groups, Superclasses)
    assert groups.names == ("Latin", "Greek", "Korean", "Tibetan")
    assert [c.tolist() for c in groups.classes] == [[0, 1], [2], [3, 4, 5], [6, 7]]
    assert len(entries) == 8


def test_a_node_spans_the_leaves_below_it_however_many_ways_lead_there(tmp_path: Path) -> None:
    spec = _read(tmp_path, **HIERARCHICAL)

    entries, graph = spec.of_split("TEST")
    assert _rows(entries) == [(3, "n7", 7), (4, "n8", 8), (5, "n9", 9)]
    assert isinstance(graph, ClassGraph)
    assert graph.nodes == ("n1", "n2", "n3")
    assert [span.tolist() for span in graph.spans] == [[0, 1, 2], [0, 1], [1, 2]]
    assert np.concatenate(graph.spans).dtype == np.int64
    assert spec.of_split(None)[1] is None


def _replaced(spec: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**spec, **changes}


PLAIN = plain_spec((1, 0, 2), [4, 4, 4])
EMPTY: dict[str, list[Any]] = {"TRAIN": [], "VALID": [], "TEST": []}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (_replaced(PLAIN, __class__="Something"), "unknown kind 'Something'"),
        (_replaced(PLAIN, file_pattern="../../{}.tfrecords"), "not a file name with one {}"),
        (_replaced(PLAIN, file_pattern="all.tfrecords"), "not a file name with one {}"),
        (_replaced(PLAIN, file_pattern="{0.__class__}{}"), "not a file name with one {}"),
        (_replaced(PLAIN, classes_per_split={"TRAIN": 5, "VALID": 0, "TEST": 0}), "5 classes, but 3 have a name"),
        (_replaced(PLAIN, classes_per_split={"TRAIN": 3, "TEST": 0}), "no entry 'VALID'"),
        (_replaced(PLAIN, classes_per_split={"TRAIN": -1, "VALID": 0, "TEST": 0}), "the splits have"),
        (_replaced(PLAIN, images_per_class={"0": 4, "1": 4}), "no entry '2'"),
        (_replaced(PLAIN, images_per_class={"0": 4, "1": 4, "2": -4}), "images_per_class holds -4"),
        (_replaced(PLAIN, images_per_class={"0": "many"}), "Expected `int`"),
        (_replaced(BILEVEL, classes_per_superclass={"0": 2}), "no entry"),
        (_replaced(HIERARCHICAL, split_subgraphs={**EMPTY, "TEST": [_node("a", "b"), _node("b", "a")]}), "cycle"),
        (_replaced(HIERARCHICAL, split_subgraphs={**EMPTY, "TEST": [_node("a", "zzz")]}), "no node"),
    ],
)  # fmt: skip
def test_a_specification_that_contradicts_itself_is_refused(spec: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_spec(tmp_path, **spec)

    with pytest.raises(DataError, match=r"dataset_spec.json is not a usable dataset_spec.json \(") as caught:
        read_dataset_spec(tmp_path / "dataset_spec.json")
    assert message in str(caught.value)


def test_a_specification_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    text = json.dumps(PLAIN)
    (tmp_path / "dataset_spec.json").write_text(text[: len(text) // 2])

    with pytest.raises(DataError, match="truncated"):
        read_dataset_spec(tmp_path / "dataset_spec.json")
