"""Episodes as tasks: drawn, decoded, and with the features of their queries at theta_0, which no episode changes."""

from __future__ import annotations

import numpy as np

from hyperflow.episodes.protocol import EpisodeProtocol
from hyperflow.episodes.sampling import Episode, Rows, episode_rng
from hyperflow.episodes.unknown import draw_unknown
from hyperflow.evaluation.config import EvaluationConfig, episode_protocol
from hyperflow.evaluation.frame_cache import FrameCache
from hyperflow.evaluation.methods import Features, Frame, Task
from hyperflow.evaluation.subjects import Subject
from hyperflow.images.image_set import ImageSet

__all__ = ["TaskDrawer"]

_BATCH = 128  # images whose frames are held at once, whatever the cache holds


class TaskDrawer:
    """Draws the tasks of an evaluation, one set after another."""

    def __init__(self, subject: Subject, config: EvaluationConfig) -> None:
        """Draw for `subject` by the protocol of `config`."""
        self._subject, self._config = subject, config
        self._protocol: EpisodeProtocol = episode_protocol(config)
        self._cache = FrameCache(subject.frame)
        self._features: tuple[str, Rows, Features] | None = None

    def _drawn(self, image_set: ImageSet, index: int) -> tuple[Episode, Rows]:
        """An episode, and the rows of its unknown queries."""
        episode = self._protocol.draw(image_set, index)
        if not self._config.unknown:
            return episode, np.empty(0, np.int64)
        sizes, seed = image_set.class_sizes, self._config.seed
        return episode, draw_unknown(episode, sizes, seed=seed, set_name=image_set.name, index=index)

    def check(self, image_set: ImageSet) -> None:
        """Draw an episode for nothing, so that a set that is too small is known before hours of work.

        Raises:
            DataError: The set is too small, or lacks a structure that the protocol needs.
        """
        self._protocol.draw(image_set, 0)

    def _frames(self, image_set: ImageSet, rows: Rows) -> tuple[Frame, ...]:
        return tuple(self._cache.frame_of(image_set, image_set.member(int(row))) for row in rows)

    def encode_queries(self, image_set: ImageSet) -> None:
        """Encode the queries of all episodes of a set at theta_0, each image once.

        Always all of them, in one order, even when an interrupted evaluation goes on in the middle of a set: the last
        bits of a feature may depend on the batch that it was computed in.

        Raises:
            DataError: The set is too small, or an image cannot be decoded.
        """
        drawn = (self._drawn(image_set, index) for index in range(self._config.episodes))
        rows = np.unique(np.concatenate([rows for episode, unknown in drawn for rows in (episode.query_rows, unknown)]))
        parts = [
            self._subject.encode(self._frames(image_set, rows[first : first + _BATCH]))
            for first in range(0, len(rows), _BATCH)
        ]
        self._features = image_set.name, rows, np.concatenate(parts)

    def _features_of(self, image_set: ImageSet, rows: Rows) -> Features | None:
        if self._features is None or self._features[0] != image_set.name:
            return None
        _, known, features = self._features
        return features[np.searchsorted(known, rows)]

    def draw(self, image_set: ImageSet, index: int) -> tuple[Episode, Task]:
        """Draw one episode and decode what the cache does not hold.

        Raises:
            DataError: The set is too small, or an image cannot be decoded.
        """
        episode, unknown = self._drawn(image_set, index)
        seed = int(episode_rng(self._config.seed, f"{image_set.name} methods", index).integers(2**31))
        return episode, Task(
            support=self._frames(image_set, episode.support_rows),
            labels=episode.support_labels,
            queries=self._frames(image_set, episode.query_rows),
            n_way=len(episode.classes),
            seed=seed,
            unknown=self._frames(image_set, unknown),
            query_features=self._features_of(image_set, episode.query_rows),
            unknown_features=self._features_of(image_set, unknown),
        )
