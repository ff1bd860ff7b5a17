"""Comparing what two machines answered about the same photos."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emulation.failure import ProofFailed

__all__ = ["TOLERANCES", "Comparison", "Row", "compare"]

TOLERANCES = {
    "features": 1e-5,
    "theta": 1e-5,
    "step_norms": 1e-5,
    "prototypes": 1e-5,
    "probabilities": 1e-5,
    "probabilities_unbaked": 1e-5,
    "guard_losses": 1e-5,
}
"""Largest difference allowed, over the largest magnitude of the first machine's array.

Processors add float32 products in different orders. 1e-5 is about a hundred roundings of a float32, for networks of
some fifty layers and a drift of several steps; it is a thousandth of a percent of probability.
"""


@dataclass(frozen=True)
class Row:
    """One array on both machines.

    Attributes:
        name: Of the array.
        size: Numbers in it.
        largest: Magnitude.
        difference: Largest absolute difference.
        tolerance: Largest allowed, absolute.
    """

    name: str
    size: int
    largest: float
    difference: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether it is within the tolerance."""
        return self.difference <= self.tolerance


@dataclass(frozen=True)
class Comparison:
    """All arrays, and the labels.

    Attributes:
        rows: The arrays.
        n_queries: Photos asked about.
        n_same_labels: Photos to which both gave the same label.
        n_right: Photos that each named rightly.
        same_guard_choice: Whether both guards chose the same step size.
        machines: What each file says of where it was written.
    """

    rows: tuple[Row, ...]
    n_queries: int
    n_same_labels: int
    n_right: tuple[int, int]
    same_guard_choice: bool
    machines: tuple[dict[str, str], dict[str, str]]

    @property
    def agrees(self) -> bool:
        """Whether every array, every label and the guard's choice agree."""
        return all(row.agrees for row in self.rows) and self.n_same_labels == self.n_queries and self.same_guard_choice

    def table(self) -> str:
        """The comparison as text."""
        lines = [f"  {'array':<22} {'numbers':>8} {'largest':>10} {'difference':>11} {'allowed':>10}  verdict"]
        lines += [
            f"  {row.name:<22} {row.size:>8,} {row.largest:>10.3g} {row.difference:>11.2e} {row.tolerance:>10.1e}  "
            + ("agrees" if row.agrees else "DIFFERS")
            for row in self.rows
        ]
        first, second = (f"{about['machine']} (Python {about['python']})" for about in self.machines)
        choice = "the same" if self.same_guard_choice else "ANOTHER"
        return "\n".join(
            [*lines,
             f"  labels: {self.n_same_labels} of {self.n_queries} the same; right: {self.n_right[0]} on {first}, "
             f"{self.n_right[1]} on {second}; the guard chose {choice} step size"]
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """The comparison for `--json`."""
        return {
            "agrees": self.agrees,
            "arrays": {
                row.name: {"difference": row.difference, "tolerance": row.tolerance, "largest": row.largest}
                for row in self.rows
            },
            "n_queries": self.n_queries,
            "n_same_labels": self.n_same_labels,
            "n_right": list(self.n_right),
            "same_guard_choice": self.same_guard_choice,
            "machines": list(self.machines),
        }


def _read(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _row(name: str, first: Any, second: Any) -> Row:
    if first.shape != second.shape:
        raise ProofFailed(f"{name} is {first.shape} on the first machine and {second.shape} on the second")
    difference = float(np.abs(first - second).max())
    largest = float(np.abs(first).max())
    # A NaN on either side is never within a tolerance.
    return Row(name, first.size, largest, difference, TOLERANCES[name] * largest)


def compare(first: Path, second: Path) -> Comparison:
    """Compare two files that `answers.py` wrote.

    Raises:
        ProofFailed: An array has another shape.
    """
    a, b = _read(first), _read(second)
    labels_a, labels_b = a["probabilities"].argmax(axis=1), b["probabilities"].argmax(axis=1)
    return Comparison(
        rows=tuple(_row(name, a[name], b[name]) for name in TOLERANCES),
        n_queries=len(labels_a),
        n_same_labels=int((labels_a == labels_b).sum()),
        n_right=(int((labels_a == a["truth"]).sum()), int((labels_b == b["truth"]).sum())),
        same_guard_choice=bool(a["guard_choice"] == b["guard_choice"]),
        machines=(json.loads(a["about"].tobytes()), json.loads(b["about"].tobytes())),
    )
