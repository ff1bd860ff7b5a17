"""ORBIT's CLU-VE: which frames of which videos make support and query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperflow.episodes.orbit import OrbitProtocol
from hyperflow.errors import ConfigError, DataError
from hyperflow.images.image_set import ImageSet
from hyperflow.images.structure import Video, Videos

from .conftest import set_of


def user_of(objects: list[tuple[list[int], list[list[bool] | None]]]) -> ImageSet:
    """A user; for each object the lengths of its clean videos, and of each clutter video which frames show it."""
    videos: list[Video] = []
    sizes, row = [], 0
    for label, (clean, clutter) in enumerate(objects):
        start = row
        for number, n_frames in enumerate(clean):
            videos.append(Video(f"{label}-clean-{number}", label, True, row, n_frames))
            row += n_frames
        for number, shown in enumerate(clutter):
            flags = None if shown is None else np.array(shown, dtype=bool)
            n_frames = 60 if shown is None else len(shown)
            videos.append(Video(f"{label}-clutter-{number}", label, False, row, n_frames, flags))
            row += n_frames
        sizes.append(row - start)
    return set_of(sizes, Videos(tuple(videos)), "P1")


def test_support_is_every_thirtieth_of_the_first_thousand_frames_of_every_clean_video() -> None:
    user = user_of([([95, 3000], [[True] * 60]), ([10], [[True] * 60])])

    episode = OrbitProtocol().draw(user, 0)

    long_video = list(range(95, 95 + 1000, 30))
    assert episode.support_rows.tolist() == [0, 30, 60, 90, *long_video, 95 + 3000 + 60]
    assert episode.support_labels.tolist() == [0] * (4 + 34) + [1]


def test_query_is_two_hundred_frames_of_each_clutter_video_that_shows_its_object_often_enough() -> None:
    shown = [[True] * 500, [False] * 400 + [True] * 60, [True] * 49 + [False] * 900, [True] * 50]
    user = user_of([([30], shown[:2]), ([30], shown[2:])])
    assert isinstance(user.structure, Videos)
    videos = user.structure.videos

    episode = OrbitProtocol().draw(user, 0)

    assert episode.query_groups is not None
    numbers, counts = np.unique(episode.query_groups, return_counts=True)
    names = [videos[number].name for number in numbers]
    assert dict(zip(names, counts.tolist(), strict=True)) == {"0-clutter-0": 200, "0-clutter-1": 60, "1-clutter-1": 50}
    for number in numbers:
        rows = episode.query_rows[episode.query_groups == number] - videos[number].first_row
        assert np.all(np.diff(rows) > 0)
        assert videos[number].shows_object is not None
        assert videos[number].shows_object[rows].all()
        labels = episode.query_labels[episode.query_groups == number]
        assert set(labels.tolist()) == {videos[number].label}


def test_frames_are_drawn_anew_in_every_task_and_alike_in_the_same() -> None:
    user = user_of([([30], [[True] * 500]), ([30], [[True] * 500])])
    first, again, other = (OrbitProtocol().draw(user, index) for index in (0, 0, 1))

    assert first.query_rows.tolist() == again.query_rows.tolist() != other.query_rows.tolist()
    assert first.support_rows.tolist() == other.support_rows.tolist()
    assert OrbitProtocol(seed=1).draw(user, 0).query_rows.tolist() != first.query_rows.tolist()


def test_at_most_fifteen_objects_and_fifteen_clean_videos_take_part() -> None:
    user = user_of([([1] * 18, [[True] * 50])] * 20)
    drawn = [OrbitProtocol().draw(user, index) for index in range(5)]

    for episode in drawn:
        assert len(episode.classes) == 15
        assert np.bincount(episode.support_labels).tolist() == [15] * 15
        assert len(np.unique(episode.support_rows)) == 15 * 15
        assert np.bincount(episode.query_labels).tolist() == [50] * 15
        np.testing.assert_array_equal(episode.query_rows // 68, episode.classes[episode.query_labels])
    assert len({tuple(episode.classes.tolist()) for episode in drawn}) > 1


def test_an_object_that_cannot_be_learned_is_left_out_and_one_without_queries_stays() -> None:
    user = user_of([([30], [[True] * 60]), ([], [[True] * 60]), ([0], [[True] * 60]), ([30], [])])

    episode = OrbitProtocol().draw(user, 0)

    assert episode.classes.tolist() == [0, 3]
    assert set(episode.support_labels.tolist()) == {0, 1}
    assert set(episode.query_labels.tolist()) == {0}


clutter_videos = st.lists(st.lists(st.booleans(), max_size=40), max_size=3)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.lists(st.integers(1, 80), min_size=1, max_size=4), clutter_videos), min_size=2, max_size=6),
    st.integers(0, 1000),
)
def test_no_frame_of_the_support_is_a_query_and_every_row_lies_in_its_class(objects: Any, index: int) -> None:
    user = user_of([*objects, ([5], [[True] * 9])])
    protocol = OrbitProtocol(
        max_ways=7, max_clean_videos=2, subsample_factor=7, max_clips=5, n_query_frames=12, min_query_frames=5
    )

    episode = protocol.draw(user, index)

    class_of_row = np.repeat(np.arange(len(user.class_sizes)), user.class_sizes)
    np.testing.assert_array_equal(class_of_row[episode.support_rows], episode.classes[episode.support_labels])
    np.testing.assert_array_equal(class_of_row[episode.query_rows], episode.classes[episode.query_labels])
    rows = np.concatenate([episode.support_rows, episode.query_rows])
    assert len(np.unique(rows)) == len(rows)
    assert set(episode.support_labels.tolist()) == set(range(len(episode.classes)))
    assert np.bincount(episode.support_labels).max() <= 2 * 5
    assert episode.query_groups is not None
    counts = np.bincount(episode.query_groups)
    assert all(n == 0 or 5 <= n <= 12 for n in counts)


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([([30], [[True] * 60])], "P1 has 1 objects with a clean video, but a task needs 2"),
        ([([30], [[False] * 60]), ([30], [])], "P1 has no clutter video with 50 frames that show their object"),
        ([([30], [None]), ([30], [])], "P1: nothing tells which frames of 0-clutter-0 show their object"),
    ],
)
def test_a_user_that_cannot_be_tested_is_refused(objects: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        OrbitProtocol().draw(user_of(objects), 0)


def test_a_set_without_videos_is_refused(make_set: Callable[..., ImageSet]) -> None:
    with pytest.raises(DataError, match="set is not made of videos; OrbitProtocol needs an ORBIT user"):
        OrbitProtocol().draw(make_set([50] * 10), 0)


@pytest.mark.parametrize("fields", [{"max_ways": 1}, {"subsample_factor": 0}, {"seed": -1}, {"n_query_frames": 0}])
def test_counts_that_cannot_work_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="max_ways must be 2 or more"):
        OrbitProtocol(**fields)
