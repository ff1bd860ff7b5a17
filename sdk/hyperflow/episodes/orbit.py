"""ORBIT's clutter video evaluation, CLU-VE (Massiceti et al., arXiv:2104.03841; rules of December 2022).

One image set is one user. The support are frames of clean videos of each object, the query frames of every clutter
video; accuracy is a mean over videos, which `Episode.query_groups` numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hyperflow.episodes.protocol import EpisodeSource
from hyperflow.episodes.sampling import Episode, episode_rng
from hyperflow.errors import ConfigError, DataError
from hyperflow.images.structure import Video, Videos

__all__ = ["OrbitProtocol"]

Numbers = NDArray[np.int64]


class OrbitProtocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tasks of one user: all objects, learned from clean videos and recognised in clutter videos.

    What the published rules leave open is chosen so: with more objects or clean videos than the caps, some are drawn
    at random; clean frames are the first of every `subsample_factor`; a frame that the annotations do not name shows
    the object; queries keep their temporal order; an object without a clean frame cannot be learned and is left out;
    an object whose clutter videos are all dropped stays among the classes.

    Attributes:
        seed: Seed of the tasks.
        n_episodes: Tasks a user.
        max_ways: Most objects a task.
        max_clean_videos: Most clean videos of an object.
        max_frames: Only so many first frames of a clean video are used.
        subsample_factor: Of those, one frame in so many.
        max_clips: Most frames of a clean video after that.
        n_query_frames: Random frames of each clutter video.
        min_query_frames: Clutter videos with fewer frames that show their object are dropped.
        needs_annotations: Refuse clutter videos of which nothing tells where the object is in view.

    Raises:
        ConfigError: A count below its least value.
    """

    seed: int = 0
    n_episodes: int = 50
    max_ways: int = 15
    max_clean_videos: int = 15
    max_frames: int = 1000
    subsample_factor: int = 30
    max_clips: int = 200
    n_query_frames: int = 200
    min_query_frames: int = 50
    needs_annotations: bool = True

    def __post_init__(self) -> None:
        counts = (
            self.n_episodes, self.max_clean_videos, self.max_frames, self.subsample_factor, self.max_clips,
            self.n_query_frames, self.min_query_frames,
        )  # fmt: skip
        if self.max_ways < 2 or min(counts) < 1 or self.seed < 0:
            raise ConfigError(f"max_ways must be 2 or more, seed 0 or more, every other count 1 or more, got {self}")

    def draw(self, image_set: EpisodeSource, index: int) -> Episode:
        """Draw one task, as `EpisodeProtocol` says; `query_groups` are numbers in `image_set.structure.videos`."""
        structure = getattr(image_set, "structure", None)
        if not isinstance(structure, Videos):
            raise DataError(f"{image_set.name} is not made of videos; OrbitProtocol needs an ORBIT user")
        rng = episode_rng(self.seed, image_set.name, index)
        classes = self._classes(image_set.name, structure.videos, rng)
        support = [self._support_rows(structure.videos, number, rng) for number in classes]
        query = self._query(image_set.name, structure, set(classes.tolist()), rng)
        label_of = {number: label for label, number in enumerate(classes.tolist())}
        counts = [len(rows) for rows in query.values()]
        return Episode(
            classes=classes,
            support_rows=np.concatenate(support),
            support_labels=np.repeat(np.arange(len(classes)), [len(rows) for rows in support]),
            query_rows=np.concatenate(list(query.values())),
            query_labels=np.repeat([label_of[structure.videos[video].label] for video in query], counts),
            query_groups=np.repeat(np.array(list(query), dtype=np.int64), counts),
        )

    def _classes(self, name: str, videos: Sequence[Video], rng: np.random.Generator) -> Numbers:
        learnable = np.array(sorted({video.label for video in videos if video.is_clean and video.n_frames}))
        if len(learnable) < 2:
            raise DataError(f"{name} has {len(learnable)} objects with a clean video, but a task needs 2")
        if len(learnable) <= self.max_ways:
            return learnable
        return np.sort(rng.choice(learnable, size=self.max_ways, replace=False))

    def _support_rows(self, videos: Sequence[Video], label: int, rng: np.random.Generator) -> Numbers:
        clean = [video for video in videos if video.is_clean and video.label == label and video.n_frames]
        if len(clean) > self.max_clean_videos:
            clean = [clean[i] for i in np.sort(rng.choice(len(clean), size=self.max_clean_videos, replace=False))]
        frames = [np.arange(0, min(video.n_frames, self.max_frames), self.subsample_factor) for video in clean]
        return np.concatenate(
            [video.first_row + rows[: self.max_clips] for video, rows in zip(clean, frames, strict=True)]
        )

    def _query(self, name: str, structure: Videos, labels: set[int], rng: np.random.Generator) -> dict[int, Numbers]:
        """Rows of the queries by the number of their video."""
        drawn: dict[int, Numbers] = {}
        for number, video in enumerate(structure.videos):
            if video.is_clean or video.label not in labels:
                continue
            if video.shows_object is None and self.needs_annotations:
                raise DataError(
                    f"{name}: nothing tells which frames of {video.name} show their object; put its annotation into "
                    f"{structure.annotations or 'annotations'}, or set needs_annotations=False"
                )
            shown = np.arange(video.n_frames) if video.shows_object is None else np.flatnonzero(video.shows_object)
            if len(shown) >= self.min_query_frames:
                n_frames = min(self.n_query_frames, len(shown))
                drawn[number] = video.first_row + np.sort(rng.choice(shown, size=n_frames, replace=False))
        if not drawn:
            raise DataError(
                f"{name} has no clutter video with {self.min_query_frames} frames that show their object; "
                "leave this user out, or lower min_query_frames"
            )
        return drawn
