"""Meta-Dataset's sampler: published statistics of whole sets, and what holds for every episode."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperflow.episodes.meta_dataset import MetaDatasetProtocol
from hyperflow.episodes.sampling import Episode
from hyperflow.errors import ConfigError, DataError
from hyperflow.images.image_set import ImageSet
from hyperflow.images.structure import ClassGraph, Superclasses

from .conftest import set_of

OMNIGLOT_TEST_ALPHABETS = [20, 26, 26, 26, 26, 26, 45, 45, 41, 26, 47, 40, 30, 45, 46, 28, 23, 25, 42, 26]
CU_BIRDS_TEST = [48, 59, 58, 59, 59, 60, 60, 59, *[60] * 5, 50, *[60] * 11, 59, 59, 60, 60, 60]
VGG_FLOWER_TEST = [65, 46, 49, 49, 43, 67, 127, 59, 40, 196, 102, 63, 184, 162, 91, 82]
TRAFFIC_SIGN_TEST = [
    210, 2220, 2250, 1410, 1980, 1860, 420, 1440, 1410, 1470, 2010, 1320, 2100, 2160, 780, 630, 420, 1110, 1200, 210,
    360, 330, 390, 510, 270, 1500, 600, 240, 540, 270, 450, 780, 240, 689, 420, 1200, 390, 210, 2070, 300, 360, 240,
    240,
]  # fmt: skip


def _grouped(sizes: list[int]) -> Superclasses:
    ends = np.cumsum(sizes)
    return Superclasses(
        tuple(map(str, sizes)), tuple(np.arange(end - n, end) for end, n in zip(ends, sizes, strict=True))
    )


def omniglot() -> ImageSet:
    return set_of([20] * 659, _grouped(OMNIGLOT_TEST_ALPHABETS), "omniglot")


@pytest.mark.parametrize(
    ("image_set", "mean_way", "mean_query", "mean_support"),
    [
        (omniglot(), 19.09, 10, 92.6),
        (set_of([100] * 15, name="aircraft"), 10.0, 10, 339),
        (set_of(CU_BIRDS_TEST, name="cu_birds"), 17.5, 10, 316),
        (set_of([120] * 7, name="dtd"), 6.0, 10, 284),
        (set_of(VGG_FLOWER_TEST, name="vgg_flower"), 10.5, 10, 293),
        (set_of(TRAFFIC_SIGN_TEST, name="traffic_sign"), 24.0, 10, 417),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_episodes_of_the_published_test_splits_have_the_published_means(
    image_set: ImageSet, mean_way: float, mean_query: float, mean_support: float
) -> None:
    """The means are of 20,000 episodes of an independent sampler, given to three digits."""
    assert sum(OMNIGLOT_TEST_ALPHABETS) == 659
    assert (len(CU_BIRDS_TEST), len(VGG_FLOWER_TEST), len(TRAFFIC_SIGN_TEST)) == (30, 16, 43)
    n_episodes = 1000
    protocol = MetaDatasetProtocol(seed=5)
    episodes = [protocol.draw(image_set, index) for index in range(n_episodes)]
    ways = np.array([len(episode.classes) for episode in episodes])
    supports = np.array([len(episode.support_rows) for episode in episodes])
    queries = np.array([len(episode.query_rows) for episode in episodes]) / ways

    for values, expected, rounding in ((ways, mean_way, 0.05), (supports, mean_support, 0.5)):
        tolerance = 4 * values.std() * math.sqrt(1 / n_episodes + 1 / 20_000) + rounding
        assert abs(values.mean() - expected) < tolerance, (values.mean(), tolerance)
    assert queries.mean() == mean_query


@st.composite
def protocols_and_sizes(draw: st.DrawFn) -> tuple[MetaDatasetProtocol, list[int], int]:
    """A protocol, class sizes that it can draw from, and an episode's number."""
    least = draw(st.integers(2, 6))
    most = draw(st.integers(least, 20))
    protocol = MetaDatasetProtocol(
        seed=draw(st.integers(0, 2**31)),
        min_ways=least,
        max_ways_upper_bound=most,
        max_num_query=draw(st.integers(1, 12)),
        max_support_set_size=draw(st.integers(most, 200)),
        max_support_size_contrib_per_class=draw(st.integers(1, 100)),
    )
    sizes = draw(st.lists(st.integers(2, 300), min_size=least, max_size=30))
    return protocol, sizes, draw(st.integers(0, 10_000))


def _check_rows(episode: Episode, sizes: list[int]) -> None:
    """Rows lie in their classes, and no image is drawn twice."""
    class_of_row = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.concatenate([episode.support_rows, episode.query_rows])
    assert len(np.unique(rows)) == len(rows)
    assert len(np.unique(episode.classes)) == len(episode.classes)
    np.testing.assert_array_equal(class_of_row[episode.support_rows], episode.classes[episode.support_labels])
    np.testing.assert_array_equal(class_of_row[episode.query_rows], episode.classes[episode.query_labels])


@settings(max_examples=150, deadline=None)
@given(protocols_and_sizes())
def test_every_episode_keeps_within_its_budgets(case: tuple[MetaDatasetProtocol, list[int], int]) -> None:
    protocol, sizes, index = case

    episode = protocol.draw(set_of(sizes), index)

    _check_rows(episode, sizes)
    n_way, chosen = len(episode.classes), np.array(sizes)[episode.classes]
    assert protocol.min_ways <= n_way <= min(protocol.max_ways_upper_bound, len(sizes))
    shots = np.bincount(episode.support_labels, minlength=n_way)
    n_query = np.unique(np.bincount(episode.query_labels, minlength=n_way))
    assert n_query.tolist() == [min(protocol.max_num_query, chosen.min() // 2)]
    assert shots.min() >= 1
    assert (shots + n_query <= chosen).all()
    most = np.minimum(protocol.max_support_size_contrib_per_class, chosen - n_query).sum()
    assert shots.sum() <= min(protocol.max_support_set_size, most)


@settings(max_examples=30, deadline=None)
@given(protocols_and_sizes())
def test_an_episode_can_be_replayed_whatever_was_drawn_before(
    case: tuple[MetaDatasetProtocol, list[int], int],
) -> None:
    protocol, sizes, index = case
    first = protocol.draw(set_of(sizes), index)
    protocol.draw(set_of(sizes), index + 1)

    again = protocol.draw(set_of(sizes), index)

    for name in ("classes", "support_rows", "support_labels", "query_rows", "query_labels"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_a_larger_class_gets_more_of_the_support(make_set: Callable[..., ImageSet]) -> None:
    image_set = make_set([400, 100, 100, 100, 100])
    protocol = MetaDatasetProtocol()
    shots = np.zeros(5)
    for index in range(200):
        episode = protocol.draw(image_set, index)
        shots[episode.classes] += np.bincount(episode.support_labels)

    assert shots[0] > 2.5 * shots[1:].max()


def test_an_episode_of_superclasses_stays_in_one_and_reaches_them_alike() -> None:
    image_set = omniglot()
    starts = np.cumsum([0, *OMNIGLOT_TEST_ALPHABETS])
    protocol = MetaDatasetProtocol()
    seen = []
    for index in range(400):
        groups = np.unique(np.searchsorted(starts, protocol.draw(image_set, index).classes, side="right") - 1)
        assert len(groups) == 1
        seen.append(int(groups[0]))

    counts = np.bincount(seen, minlength=20)
    assert ((counts - 20) ** 2 / 20).sum() < 50.8  # chi-square of 19 degrees, 1 in 10,000


GRAPH = ClassGraph(("n1", "n2", "n3", "n4"), tuple(np.arange(*ends) for ends in ((0, 70), (0, 6), (6, 70), (10, 12))))


def test_an_episode_of_a_graph_has_all_classes_below_one_node_of_a_fitting_size(
    make_set: Callable[..., ImageSet],
) -> None:
    """n1 and n3 span more than 50 classes, of which 50 are taken; n4 spans too few."""
    image_set = make_set([30] * 80, GRAPH)
    protocol = MetaDatasetProtocol()
    drawn = [protocol.draw(image_set, index).classes for index in range(300)]

    assert {len(classes) for classes in drawn} == {6, 50}
    small = [classes for classes in drawn if len(classes) == 6]
    assert all(sorted(classes.tolist()) == list(range(6)) for classes in small)
    assert 0.2 < len(small) / 300 < 0.46  # one node of three
    assert all(classes.max() < 70 for classes in drawn)
    assert len({tuple(sorted(classes.tolist())) for classes in drawn if len(classes) == 50}) > 100


def test_a_node_that_spans_too_much_is_never_drawn(make_set: Callable[..., ImageSet]) -> None:
    protocol = MetaDatasetProtocol(max_spanning_leaves=64)
    drawn = [protocol.draw(make_set([30] * 80, GRAPH), index).classes for index in range(60)]

    large = [classes for classes in drawn if len(classes) == 50]
    assert large
    assert all(classes.min() >= 6 for classes in large)


def test_classes_with_too_few_images_are_left_out_of_nodes_too(make_set: Callable[..., ImageSet]) -> None:
    image_set = make_set([30] * 6 + [4] * 60 + [30] * 4, GRAPH)
    protocol = MetaDatasetProtocol(min_examples_in_class=10)
    drawn = [protocol.draw(image_set, index).classes.tolist() for index in range(60)]

    assert {len(classes) for classes in drawn} == {6, 10}  # n2 and n1; only 4 are left below n3
    assert not {number for classes in drawn for number in classes} & set(range(6, 66))


@pytest.mark.parametrize(
    ("structure", "ignored"),
    [(_grouped([5] * 8), "ignore_bilevel_ontology"), (ClassGraph(("n1",), (np.arange(5),)), "ignore_dag_ontology")],
)
def test_a_structure_can_be_ignored_always_or_at_times(
    structure: Any, ignored: str, make_set: Callable[..., ImageSet]
) -> None:
    image_set = make_set([20] * 40, structure)

    def n_with_more(**fields: Any) -> int:
        protocol = MetaDatasetProtocol(**fields)
        return sum(len(protocol.draw(image_set, index).classes) > 5 for index in range(200))

    assert n_with_more() == 0
    assert n_with_more(**{ignored: True}) > 180
    assert 60 < n_with_more(ignore_hierarchy_probability=0.5) < 140


@pytest.mark.parametrize(
    ("fields", "n_way", "shots", "n_query"),
    [
        ({"num_ways": 5, "num_support": 5, "num_query": 15}, {5}, {5}, {15}),
        ({"num_support": 1}, range(5, 11), {1}, {10}),
        ({"num_support": (2, 4)}, range(5, 11), {2, 3, 4}, {10}),
        ({"num_support": 25}, range(5, 11), {25}, {5}),
        ({"min_ways": 5, "max_ways_upper_bound": 5, "max_support_size_contrib_per_class": 1}, {5}, {1}, {10}),
    ],
)
def test_ways_shots_and_queries_can_be_fixed(
    fields: dict[str, Any], n_way: Any, shots: set[int], n_query: set[int], make_set: Callable[..., ImageSet]
) -> None:
    image_set = make_set([30] * 10)
    episodes = [MetaDatasetProtocol(**fields).draw(image_set, index) for index in range(40)]

    assert {len(e.classes) for e in episodes} == set(n_way)
    assert {n for e in episodes for n in np.bincount(e.support_labels).tolist()} == shots
    assert {n for e in episodes for n in np.bincount(e.query_labels).tolist()} == n_query
    assert all(len(np.unique(np.bincount(e.support_labels))) == 1 for e in episodes)
    for episode in episodes:
        _check_rows(episode, [30] * 10)


@pytest.mark.parametrize(
    ("sizes", "structure", "fields", "message"),
    [
        ([9] * 4, None, {}, "set has 4 classes of 0 images or more, but an episode needs 5; lower min_ways"),
        ([9] * 4 + [3], None, {"min_examples_in_class": 5}, "set has 4 classes of 5 images or more"),
        ([1] * 5, None, {}, "a class of 1 images cannot give both support and query"),
        ([5] * 5, None, {"num_support": 5}, "set min_examples_in_class to 6 or more"),
        ([5] * 5, None, {"num_support": 3, "num_query": 3}, "set min_examples_in_class to 6 or more"),
        ([9] * 9, _grouped([5, 4]), {}, "superclass 4 has 4 classes, fewer than min_ways=5"),
        ([9] * 9, ClassGraph(("n1",), (np.arange(4),)), {}, "none of 1 nodes spans 5 to 392 classes"),
    ],
)
def test_a_set_that_is_too_small_is_refused(
    sizes: list[int], structure: Any, fields: dict[str, Any], message: str, make_set: Callable[..., ImageSet]
) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        MetaDatasetProtocol(**fields).draw(make_set(sizes, structure), 0)


@pytest.mark.parametrize(
    ("structure", "fields", "message"),
    [
        (_grouped([5] * 2), {"num_ways": 5}, "num_ways=5 cannot be had from set, whose superclasses decide the ways"),
        (ClassGraph(("n1",), (np.arange(9),)), {"num_ways": 5}, "num_ways=5 cannot be had from set, whose graph"),
        (_grouped([5] * 2), {"min_examples_in_class": 5}, "min_examples_in_class=5 cannot be used with set"),
    ],
)
def test_fields_that_a_structure_does_not_allow_are_refused(
    structure: Any, fields: dict[str, Any], message: str, make_set: Callable[..., ImageSet]
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        MetaDatasetProtocol(**fields).draw(make_set([9] * 10, structure), 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"min_ways": 1}, "2 <= min_ways <= max_ways_upper_bound"),
        ({"max_ways_upper_bound": 4}, "2 <= min_ways <= max_ways_upper_bound"),
        ({"num_support": 0}, "1 <= num_support, ascending"),
        ({"num_support": (4, 2)}, "1 <= num_support, ascending"),
        ({"max_support_set_size": 49}, "max_support_set_size >= the most ways"),
        ({"min_log_weight": 1.0}, "min_log_weight <= max_log_weight"),
        ({"ignore_hierarchy_probability": 1.5}, "ignore_hierarchy_probability in [0, 1]"),
        ({"seed": -1}, "seed >= 0"),
        ({"num_query": 0}, "num_query >= 1"),
    ],
)
def test_fields_that_cannot_work_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        MetaDatasetProtocol(**fields)
