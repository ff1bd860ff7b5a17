"""Comparing arrays that should be equal: differences, directions, decisions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime.bundle.manifest import ParityCheck

__all__ = ["MAX_RELATIVE", "MIN_AGREEMENT", "MIN_COSINE", "compare"]

MAX_RELATIVE = 1e-3
"""fp32: largest difference, as a share of the largest value expected."""

MIN_COSINE = 0.9999
MIN_AGREEMENT = 0.99

_Array = NDArray[np.float32]


def compare(name: str, expected: _Array, actual: _Array, *, are_scores: bool = False) -> ParityCheck:
    """Compare two arrays row by row.

    Args:
        name: What they are.
        expected: (B, D), or (P,) for one row.
        actual: Of the same shape.
        are_scores: Compare the winner of each row too.

    Returns:
        The figures and the verdict under the tolerances of this module; NaN and another shape fail.
    """
    if expected.shape != actual.shape or not np.isfinite(actual).all():
        return ParityCheck(name, max_abs=float("inf"), cosine=-1.0, top1_agreement=None, passed=False)
    rows, others = np.atleast_2d(expected).astype(np.float64), np.atleast_2d(actual).astype(np.float64)
    max_abs = float(np.abs(rows - others).max())
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(others, axis=1)
    products = (rows * others).sum(axis=1)
    cosine = float(np.where(lengths > 0, products / np.maximum(lengths, 1e-30), 1.0).min())
    agreement = float((rows.argmax(axis=1) == others.argmax(axis=1)).mean()) if are_scores else None
    relative = max_abs / max(float(np.abs(rows).max()), 1e-6)
    passed = relative <= MAX_RELATIVE and cosine >= MIN_COSINE and (agreement is None or agreement >= MIN_AGREEMENT)
    return ParityCheck(name, max_abs=max_abs, cosine=cosine, top1_agreement=agreement, passed=passed)
