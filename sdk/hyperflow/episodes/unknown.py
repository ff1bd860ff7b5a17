"""Queries of classes that an episode does not hold, to see whether a classifier notices them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperflow.episodes.sampling import Episode, Rows, episode_rng

__all__ = ["draw_unknown"]


def draw_unknown(episode: Episode, class_sizes: Sequence[int], *, seed: int, set_name: str, index: int) -> Rows:
    """Draw images of the classes that an episode leaves out, as many as it has queries, or all there are.

    The classes are dealt round by round, so that a large one does not crowd out the others. The source of chance is
    another than that of the episode, which stays what it is.

    Args:
        episode: Its classes count as known.
        class_sizes: Images of each class of the set.
        seed: The run's seed.
        set_name: Name of the image set.
        index: Number of the episode.

    Returns:
        Rows of the set, (U,) with U at most the number of queries; empty where no class is left.
    """
    rng = episode_rng(seed, f"{set_name} unknown", index)
    first_rows = np.concatenate([[0], np.cumsum(class_sizes)]).astype(np.int64)
    spare = np.setdiff1d(np.arange(len(class_sizes)), episode.classes)
    shuffled = [first_rows[c] + rng.permutation(class_sizes[c]) for c in rng.permutation(spare)]
    rounds = [np.arange(len(rows)) for rows in shuffled]
    if not shuffled:
        return np.empty(0, np.int64)
    dealt = np.concatenate(shuffled)[np.argsort(np.concatenate(rounds), kind="stable")]
    return dealt[: len(episode.query_rows)]
