"""n-way k-shot and CDFSL: the same episodes as `sample_episode` draws, by protocol."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hyperflow.episodes.cdfsl import CDFSL_SHOTS, CdfslProtocol
from hyperflow.episodes.fixed import FixedProtocol
from hyperflow.episodes.meta_dataset import MetaDatasetProtocol
from hyperflow.episodes.orbit import OrbitProtocol
from hyperflow.episodes.protocol import EpisodeProtocol
from hyperflow.episodes.sampling import episode_rng, sample_episode
from hyperflow.errors import ConfigError, DataError
from hyperflow.images.image_set import ImageSet
from hyperflow.images.packed import PackedSet


def test_a_fixed_protocol_draws_what_its_seed_set_and_number_say(make_set: Callable[..., ImageSet]) -> None:
    image_set = make_set([9, 4, 7, 8], name="golden")

    episode = FixedProtocol(2, 2, 1, 0).draw(image_set, 0)

    expected = sample_episode([9, 4, 7, 8], n_way=2, n_shot=2, n_query=1, rng=episode_rng(0, "golden", 0))
    assert episode.classes.tolist() == expected.classes.tolist() == [1, 3]
    assert episode.support_rows.tolist() == expected.support_rows.tolist() == [9, 11, 26, 23]
    assert episode.query_groups is None


@pytest.mark.parametrize("n_shot", CDFSL_SHOTS)
def test_cdfsl_has_five_ways_and_fifteen_queries(n_shot: int, make_set: Callable[..., ImageSet]) -> None:
    image_set = make_set([115, 327, 514, 1099, 142, 1113, 6705])

    episode = CdfslProtocol(n_shot, seed=3).draw(image_set, 599)

    assert np.bincount(episode.support_labels).tolist() == [n_shot] * 5
    assert np.bincount(episode.query_labels).tolist() == [15] * 5
    rows = np.concatenate([episode.support_rows, episode.query_rows])
    assert len(np.unique(rows)) == 5 * (n_shot + 15)
    again, other = (CdfslProtocol(n_shot, seed=3).draw(image_set, index) for index in (599, 598))
    assert again.support_rows.tolist() == episode.support_rows.tolist() != other.support_rows.tolist()


def test_cdfsl_refuses_a_set_of_too_small_classes(make_set: Callable[..., ImageSet]) -> None:
    with pytest.raises(DataError, match="5-way 50-shot with 15 queries needs 5 classes of 65 images"):
        CdfslProtocol(50).draw(make_set([64] * 9), 0)


@pytest.mark.parametrize("n_shot", [0, 2, 10, 100])
def test_cdfsl_refuses_shots_that_are_not_its_own(n_shot: int) -> None:
    with pytest.raises(ConfigError, match=f"CDFSL has 1, 5, 20 or 50 shots, got {n_shot}"):
        CdfslProtocol(n_shot)


@pytest.mark.parametrize("counts", [(1, 5, 5), (5, 0, 5), (5, 5, 0)])
def test_a_fixed_protocol_refuses_counts_that_cannot_work(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="n_way must be 2 or more"):
        FixedProtocol(*counts)


@pytest.mark.parametrize("protocol", [FixedProtocol(3, 2, 2), MetaDatasetProtocol(min_ways=3, max_num_query=2)])
def test_episodes_can_be_drawn_from_packed_pixels_alike(
    protocol: EpisodeProtocol, make_set: Callable[..., ImageSet]
) -> None:
    sizes = [5, 9, 4, 6]
    rows = tuple(np.split(np.arange(24), np.cumsum(sizes)[:-1]))
    packed = PackedSet("set", ("a", "b", "c", "d"), rows, np.zeros((24, 2, 2, 3), np.uint8))

    episode, same = protocol.draw(packed, 7), protocol.draw(make_set(sizes), 7)

    assert episode.support_rows.tolist() == same.support_rows.tolist()
    assert packed.images_rgb(episode.query_rows).shape == (len(episode.query_rows), 2, 2, 3)


@pytest.mark.parametrize(
    ("protocol", "n_episodes"),
    [(FixedProtocol(), 100), (CdfslProtocol(), 600), (MetaDatasetProtocol(), 600), (OrbitProtocol(), 50)],
)
def test_a_protocol_says_how_many_episodes_it_asks_for(protocol: EpisodeProtocol, n_episodes: int) -> None:
    assert protocol.n_episodes == n_episodes
