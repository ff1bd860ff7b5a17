"""Comparing arrays that should be equal: differences, directions, decisions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime.bundle.manifest import ParityCheck, Precision

__all__ = ["TOLERANCES", "Tolerance", "compare"]


@dataclass(frozen=True)
class Tolerance:
    """How far results may be from those of torch in fp32.

    Attributes:
        max_relative: Largest difference, as a share of the largest value expected.
        min_cosine: Least cosine between corresponding rows.
        min_agreement: Least share of rows with the same winner.
    """

    max_relative: float
    min_cosine: float
    min_agreement: float

    def __str__(self) -> str:
        return (
            f"max {self.max_relative:g} of the largest value, cosine {self.min_cosine}, "
            f"top-1 agreement {self.min_agreement:.0%}"
        )


TOLERANCES: dict[Precision, Tolerance] = {
    "fp32": Tolerance(1e-3, 0.9999, 0.99),
    "fp16": Tolerance(5e-2, 0.9995, 0.98),
    "int8": Tolerance(0.3, 0.98, 0.9),
}
"""By the precision of a bundle."""

_Array = NDArray[np.float32]


def compare(
    name: str, expected: _Array, actual: _Array, *, tolerance: Tolerance, are_scores: bool = False,
    start: _Array | None = None,
) -> ParityCheck:  # fmt: skip
    """Compare two arrays row by row.

    Args:
        name: What they are.
        expected: (B, D), or (P,) for one row.
        actual: Of the same shape.
        tolerance: What passes.
        are_scores: Compare the winner of each row too.
        start: Compare the changes since this, of the same shape, instead of the values: where a change is small
            beside what it changes, another one would pass as equal.

    Returns:
        The figures and the verdict; NaN and another shape fail.
    """
    if expected.shape != actual.shape or not np.isfinite(actual).all():
        return ParityCheck(name, max_abs=float("inf"), cosine=-1.0, top1_agreement=None, passed=False)
    rows, others = np.atleast_2d(expected).astype(np.float64), np.atleast_2d(actual).astype(np.float64)
    rounding = 1e-6
    if start is not None:
        origin = np.atleast_2d(start).astype(np.float64)
        rows, others = rows - origin, others - origin
        rounding = max(rounding, 1e-3 * float(np.abs(origin).max()))  # no change is told apart below this
    max_abs = float(np.abs(rows - others).max())
    cosine = _least_cosine(rows, others, has_direction=start is None or np.abs(rows).max() > rounding)
    agreement = float((rows.argmax(axis=1) == others.argmax(axis=1)).mean()) if are_scores else None
    relative = max_abs / max(float(np.abs(rows).max()), rounding)
    passed = (
        relative <= tolerance.max_relative
        and cosine >= tolerance.min_cosine
        and (agreement is None or agreement >= tolerance.min_agreement)
    )
    return ParityCheck(name, max_abs=max_abs, cosine=cosine, top1_agreement=agreement, passed=passed)


def _least_cosine(rows: NDArray[np.float64], others: NDArray[np.float64], *, has_direction: bool) -> float:
    if not has_direction:
        return 1.0
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(others, axis=1)
    products = (rows * others).sum(axis=1)
    return float(np.where(lengths > 0, products / np.maximum(lengths, 1e-30), 1.0).min())
