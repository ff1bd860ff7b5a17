"""Paired differences to direct transfer, for each set and as a mean of sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from hyperflow.evaluation.statistics import Estimate, mean_of, paired_difference

__all__ = ["Paired", "paired"]


class Paired(msgspec.Struct, frozen=True):
    """A paired difference with its 95% interval.

    Attributes:
        mean: Over sets, each weighed alike.
        sets: Of each set.
    """

    mean: Estimate
    sets: dict[str, Estimate]


def paired(
    values: Mapping[str, Sequence[float | None]], baseline: Mapping[str, Sequence[float]], *, scale: float = 100.0
) -> Paired | None:
    """Sum up differences to a baseline on the same episodes.

    Args:
        values: One number an episode, for each set; None where it was not finite.
        baseline: The same of the baseline.
        scale: Factor on the numbers: 100 for accuracies in 0..1, so that differences are in points; 1 for losses.

    Returns:
        None where some value was not finite: a mean over the other episodes would flatter.
    """
    if any(value is None for of_set in values.values() for value in of_set):
        return None
    factor = scale / 100  # `paired_difference` multiplies by 100 itself
    sets = {
        name: paired_difference(factor * np.array(of_set, dtype=np.float64), factor * np.array(baseline[name]))
        for name, of_set in values.items()
    }
    return Paired(mean_of(list(sets.values())), sets)
