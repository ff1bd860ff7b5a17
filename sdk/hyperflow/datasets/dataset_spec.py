"""Meta-Dataset's `dataset_spec.json`: which classes belong to which split, and how they are related.

The three kinds are plain, bi-level (superclasses) and hierarchical (a graph for each split). Class numbers run through
TRAIN, VALID and TEST. The `path` inside is that of whoever made the file, and is not used.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hyperflow.datasets.split import SPLITS, Split
from hyperflow.errors import DataError
from hyperflow.images.structure import ClassGraph, Structure, Superclasses

__all__ = ["DatasetSpec", "SpecClass", "read_dataset_spec"]

_MAX_SPEC_BYTES = 1 << 26  # ImageNet's has 340 kB


class _Node(msgspec.Struct, frozen=True):
    wn_id: str
    children_ids: list[str] = []


class _File(msgspec.Struct, frozen=True):
    """What the three kinds hold, together; each uses a part."""

    kind: str = msgspec.field(name="__class__")
    name: str
    class_names: dict[str, str | int] = {}
    images_per_class: dict[str, Any] = {}
    file_pattern: str = "{}.tfrecords"
    classes_per_split: dict[str, int] = {}
    superclasses_per_split: dict[str, int] = {}
    classes_per_superclass: dict[str, int] = {}
    superclass_names: dict[str, str | int] = {}
    split_subgraphs: dict[str, list[_Node]] = {}


class SpecClass(msgspec.Struct, frozen=True):
    """One class: its number over all splits, its name, its number of images."""

    number: int
    name: str
    n_images: int


class DatasetSpec(msgspec.Struct, frozen=True):
    """What a split of a dataset is made of.

    Attributes:
        name: The dataset's name.
        file_pattern: Name of a class file, with `{}` for the class number.
        classes: The classes of each split, by ascending number.
        structures: What is known about the classes of each split; None for a plain dataset.
    """

    name: str
    file_pattern: str
    classes: dict[Split, tuple[SpecClass, ...]]
    structures: Mapping[Split, Structure | None]

    def of_split(self, split: Split | None) -> tuple[tuple[SpecClass, ...], Structure | None]:
        """Return the classes of one split, or of all when it is None, and their structure.

        All splits together have no graph, since each split has its own; they do have superclasses.
        """
        if split is not None:
            return self.classes[split], self.structures[split]
        classes = tuple(entry for name in SPLITS for entry in self.classes[name])
        groups = [self.structures[name] for name in SPLITS]
        if not all(isinstance(group, Superclasses) for group in groups):
            return classes, None
        starts = np.cumsum([0] + [len(self.classes[name]) for name in SPLITS])
        parts = [(g, start) for g, start in zip(groups, starts, strict=False) if isinstance(g, Superclasses)]
        return classes, Superclasses(
            tuple(name for group, _ in parts for name in group.names),
            tuple(numbers + start for group, start in parts for numbers in group.classes),
        )


def read_dataset_spec(path: Path) -> DatasetSpec:
    """Read one `dataset_spec.json`.

    Raises:
        DataError: The file is torn, of an unknown kind, or contradicts itself.
    """
    try:
        if path.stat().st_size > _MAX_SPEC_BYTES:
            raise DataError(f"{path} has more than {_MAX_SPEC_BYTES:,} bytes, so it is no dataset_spec.json")
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        _check_pattern(file.file_pattern)
        return _spec_of(file)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        what = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path} is not a usable dataset_spec.json ({what}); copy it again") from error


def _check_pattern(pattern: str) -> None:
    rest = pattern.replace("{}", "", 1)
    if rest == pattern or any(sign in rest for sign in "{}/\\\0") or pattern.startswith("."):
        raise ValueError(f"file_pattern is {pattern!r}, not a file name with one {{}}")


def _spec_of(file: _File) -> DatasetSpec:
    if file.kind == "DatasetSpecification":
        counts = [file.classes_per_split[split] for split in SPLITS]
        return _assembled(file, counts, {split: None for split in SPLITS})
    if file.kind == "BiLevelDatasetSpecification":
        groups = {split: _superclasses(file, split) for split in SPLITS}
        return _assembled(file, [sum(map(len, groups[split].classes)) for split in SPLITS], groups)
    if file.kind == "HierarchicalDatasetSpecification":
        leaves = {split: sum(not n.children_ids for n in file.split_subgraphs[split]) for split in SPLITS}
        spec = _assembled(file, list(leaves.values()), {split: None for split in SPLITS})
        graphs = {split: _class_graph(file.split_subgraphs[split], spec.classes[split]) for split in SPLITS}
        return msgspec.structs.replace(spec, structures=graphs)
    raise ValueError(f"unknown kind {file.kind!r}")


def _assembled(file: _File, counts: list[int], structures: Mapping[Split, Structure | None]) -> DatasetSpec:
    ends = np.cumsum(counts).tolist()
    if min(counts) < 0 or ends[-1] > len(file.class_names):
        raise ValueError(f"the splits have {ends[-1]} classes, but {len(file.class_names)} have a name")
    names = [str(file.class_names[str(number)]) for number in range(ends[-1])]
    sizes = _sizes(file, names)
    uses = Counter(names)
    unique = [name if uses[name] == 1 else f"{name} ({number})" for number, name in enumerate(names)]
    classes = {
        split: tuple(SpecClass(number, unique[number], sizes[number]) for number in range(end - count, end))
        for split, count, end in zip(SPLITS, counts, ends, strict=True)
    }
    return DatasetSpec(file.name, file.file_pattern, classes, structures)


def _sizes(file: _File, names: list[str]) -> list[int]:
    """Images of each class: listed by number, or in a hierarchical file by name inside each split."""
    if file.kind == "HierarchicalDatasetSpecification":
        nested = msgspec.convert(file.images_per_class, dict[str, dict[str, int]])
        by_name = {name: n for split in SPLITS for name, n in nested[split].items()}
        sizes = [by_name[name] for name in names]
    else:
        by_number = msgspec.convert(file.images_per_class, dict[str, int])
        sizes = [by_number[str(number)] for number in range(len(names))]
    if min(sizes, default=0) < 0:
        raise ValueError(f"images_per_class holds {min(sizes)}")
    return sizes


def _superclasses(file: _File, split: Split) -> Superclasses:
    counts = [file.superclasses_per_split[name] for name in SPLITS]
    end = sum(counts[: SPLITS.index(split) + 1])
    numbers = range(end - file.superclasses_per_split[split], end)
    sizes = [file.classes_per_superclass[str(number)] for number in numbers]
    names = tuple(str(file.superclass_names.get(str(number), number)) for number in numbers)
    ends = np.cumsum(sizes)
    return Superclasses(names, tuple(np.arange(stop - n, stop) for stop, n in zip(ends, sizes, strict=True)))


def _class_graph(nodes: list[_Node], classes: tuple[SpecClass, ...]) -> ClassGraph:
    """Find the classes below each internal node, children first."""
    number_of = {entry.name: number for number, entry in enumerate(classes)}
    children = {node.wn_id: node.children_ids for node in nodes}
    below: dict[str, frozenset[int]] = {}
    waiting = defaultdict(int, {node: len(ids) for node, ids in children.items()})
    parents: dict[str, list[str]] = defaultdict(list)
    for node, ids in children.items():
        for child in ids:
            parents[child].append(node)
    ready = [node for node, ids in children.items() if not ids]
    while ready:
        node = ready.pop()
        leaf = frozenset({number_of[node]}) if not children[node] else frozenset[int]()
        below[node] = leaf.union(*(below[child] for child in children[node]))
        for parent in parents[node]:
            waiting[parent] -= 1
            if waiting[parent] == 0:
                ready.append(parent)
    if len(below) < len(children):
        raise ValueError("split_subgraphs has a cycle, or a child that is no node")
    internal = tuple(sorted(node for node, ids in children.items() if ids))
    return ClassGraph(internal, tuple(np.array(sorted(below[node]), dtype=np.int64) for node in internal))
