"""Drawing of episodes: replayable, disjoint, and refused when a set is too small."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperflow.episodes.sampling import Episode, episode_rng, sample_episode
from hyperflow.errors import DataError

FIELDS = ("classes", "support_rows", "support_labels", "query_rows", "query_labels")


@st.composite
def shapes(draw: st.DrawFn) -> tuple[list[int], int, int, int, int]:
    """Class sizes of which enough fit, n_way, n_shot, n_query and a seed."""
    n_way, n_shot, n_query = draw(st.integers(2, 6)), draw(st.integers(1, 5)), draw(st.integers(1, 5))
    large = draw(st.lists(st.integers(n_shot + n_query, 20), min_size=n_way, max_size=n_way + 4))
    small = draw(st.lists(st.integers(1, n_shot + n_query - 1), max_size=4))
    return draw(st.permutations(large + small)), n_way, n_shot, n_query, draw(st.integers(0, 2**31))


@settings(max_examples=100, deadline=None)
@given(shapes())
def test_an_episode_has_the_right_counts_and_no_image_twice(shape: tuple[list[int], int, int, int, int]) -> None:
    sizes, n_way, n_shot, n_query, seed = shape
    class_of_row = np.repeat(np.arange(len(sizes)), sizes)

    episode = sample_episode(sizes, n_way=n_way, n_shot=n_shot, n_query=n_query, rng=np.random.default_rng(seed))

    assert len(set(episode.classes.tolist())) == n_way
    assert np.bincount(episode.support_labels, minlength=n_way).tolist() == [n_shot] * n_way
    assert np.bincount(episode.query_labels, minlength=n_way).tolist() == [n_query] * n_way
    rows = np.concatenate([episode.support_rows, episode.query_rows])
    assert len(set(rows.tolist())) == len(rows) == n_way * (n_shot + n_query)
    np.testing.assert_array_equal(class_of_row[episode.support_rows], episode.classes[episode.support_labels])
    np.testing.assert_array_equal(class_of_row[episode.query_rows], episode.classes[episode.query_labels])


def _draw(seed: int, name: str, index: int) -> Episode:
    return sample_episode([20] * 12, n_way=5, n_shot=3, n_query=4, rng=episode_rng(seed, name, index))


def test_an_episode_can_be_replayed_from_seed_name_and_number() -> None:
    first, again = _draw(7, "flowers", 3), _draw(7, "flowers", 3)

    for name in FIELDS:
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


@pytest.mark.parametrize("other", [(8, "flowers", 3), (7, "leaves", 3), (7, "flowers", 4)])
def test_another_seed_set_or_number_gives_another_episode(other: tuple[int, str, int]) -> None:
    assert _draw(7, "flowers", 3).support_rows.tolist() != _draw(*other).support_rows.tolist()


def test_these_rows_never_change_between_versions() -> None:
    """Published results name a seed; who draws it again must meet the same images."""
    episode = sample_episode([9, 4, 7, 8], n_way=2, n_shot=2, n_query=1, rng=episode_rng(0, "golden", 0))

    assert episode.classes.tolist() == [1, 3]
    assert episode.support_rows.tolist() == [9, 11, 26, 23]
    assert episode.query_rows.tolist() == [12, 25]


@pytest.mark.parametrize(
    ("sizes", "n_eligible"), [([10] * 4, 4), ([10, 10, 10, 10, 6], 4), ([1, 2, 3], 0)], ids=["few", "small", "tiny"]
)
def test_a_set_that_is_too_small_is_refused(sizes: list[int], n_eligible: int) -> None:
    message = (
        f"5-way 3-shot with 4 queries needs 5 classes of 7 images, but only {n_eligible} of {len(sizes)} are large "
        "enough; lower --n-way, --n-shot or --n-query"
    )

    with pytest.raises(DataError, match=re.escape(message)):
        sample_episode(sizes, n_way=5, n_shot=3, n_query=4, rng=np.random.default_rng(0))
