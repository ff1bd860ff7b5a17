"""Drawing n-way k-shot episodes from the class sizes of a set.

The fixed protocol of Vinyals et al. (arXiv:1606.04080): classes without replacement, then disjoint support and query.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyperflow.errors import DataError

__all__ = ["Episode", "episode_rng", "sample_episode"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Episode:
    """One task: rows of images in the class order of their set.

    Attributes:
        classes: Class indices of the set, (n_way,); label i of the episode is `classes[i]`.
        support_rows: (n_way * n_shot,).
        support_labels: 0..n_way-1, (n_way * n_shot,).
        query_rows: (n_way * n_query,).
        query_labels: 0..n_way-1, (n_way * n_query,).
        query_groups: Group of each query, (n_way * n_query,), where a protocol asks for a mean over groups, such as
            ORBIT's videos; None elsewhere.
    """

    classes: Rows
    support_rows: Rows
    support_labels: Rows
    query_rows: Rows
    query_labels: Rows
    query_groups: Rows | None = None


def episode_rng(seed: int, set_name: str, index: int) -> np.random.Generator:
    """Return the source of chance of one episode: the same for every method, whatever ran before.

    Args:
        seed: The run's seed.
        set_name: Name of the image set.
        index: Number of the episode.
    """
    return np.random.default_rng([seed, zlib.crc32(set_name.encode()), index])


def sample_episode(
    class_sizes: Sequence[int], *, n_way: int, n_shot: int, n_query: int, rng: np.random.Generator
) -> Episode:
    """Draw one episode.

    Args:
        class_sizes: Images of each class; rows are counted through the classes in this order.
        n_way: Classes to draw, at least 2.
        n_shot: Support images a class, at least 1.
        n_query: Query images a class, at least 1.
        rng: Source of chance.

    Raises:
        DataError: Fewer than `n_way` classes have `n_shot + n_query` images.
    """
    sizes = np.asarray(class_sizes)
    eligible = np.flatnonzero(sizes >= n_shot + n_query)
    if len(eligible) < n_way:
        raise DataError(
            f"{n_way}-way {n_shot}-shot with {n_query} queries needs {n_way} classes of {n_shot + n_query} images, "
            f"but only {len(eligible)} of {len(sizes)} are large enough; lower --n-way, --n-shot or --n-query"
        )
    first_rows = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    classes = rng.choice(eligible, size=n_way, replace=False)
    picks = [first_rows[c] + rng.choice(sizes[c], size=n_shot + n_query, replace=False) for c in classes]
    labels = np.arange(n_way)
    return Episode(
        classes=classes,
        support_rows=np.concatenate([rows[:n_shot] for rows in picks]),
        support_labels=np.repeat(labels, n_shot),
        query_rows=np.concatenate([rows[n_shot:] for rows in picks]),
        query_labels=np.repeat(labels, n_query),
    )
