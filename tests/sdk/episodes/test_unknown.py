"""Unknown queries come from the classes that an episode leaves out, and leave the episode as it is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hyperflow.episodes.sampling import Episode, Rows, episode_rng, sample_episode
from hyperflow.episodes.unknown import draw_unknown


def _episode(sizes: list[int], n_way: int, n_query: int) -> Episode:
    rng = episode_rng(0, "set", 0)
    return sample_episode(sizes, n_way=n_way, n_shot=1, n_query=n_query, rng=rng)


def _unknown(episode: Episode, sizes: list[int], *, seed: int = 0, index: int = 0) -> Rows:
    return draw_unknown(episode, sizes, seed=seed, set_name="set", index=index)


def _classes(rows: Rows, sizes: list[int]) -> Rows:
    return np.searchsorted(np.cumsum(sizes), rows, side="right")


@given(st.lists(st.integers(4, 9), min_size=2, max_size=8), st.integers(2, 8), st.integers(1, 3))
def test_as_many_are_drawn_as_there_are_queries_or_images_of_other_classes(
    sizes: list[int], n_way: int, n_query: int
) -> None:
    episode = _episode(sizes, min(n_way, len(sizes)), n_query)

    rows = _unknown(episode, sizes)

    n_spare = sum(size for c, size in enumerate(sizes) if c not in episode.classes)
    assert len(rows) == len(set(rows.tolist())) == min(len(episode.query_rows), n_spare)
    assert not set(_classes(rows, sizes).tolist()) & set(episode.classes.tolist())


def test_classes_are_dealt_in_turn_whatever_their_size() -> None:
    sizes = [10, 10, 500, 3, 40]
    episode = Episode(np.array([0, 1]), np.array([0, 10]), np.array([0, 1]), np.arange(1, 10), np.zeros(9, np.int64))

    rows = _unknown(episode, sizes)

    assert np.bincount(_classes(rows, sizes), minlength=5).tolist() == [0, 0, 3, 3, 3]


def test_the_same_numbers_give_the_same_images_and_other_numbers_others() -> None:
    sizes = [20] * 8
    episode = _episode(sizes, 5, 3)

    first = _unknown(episode, sizes).tolist()

    assert _unknown(episode, sizes).tolist() == first
    assert _unknown(episode, sizes, index=1).tolist() != first
    assert _unknown(episode, sizes, seed=1).tolist() != first
