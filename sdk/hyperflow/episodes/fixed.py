"""Episodes of one size: n-way k-shot (Vinyals et al., arXiv:1606.04080)."""

from __future__ import annotations

import msgspec

from hyperflow.episodes.protocol import EpisodeSource
from hyperflow.episodes.sampling import Episode, episode_rng, sample_episode
from hyperflow.errors import ConfigError

__all__ = ["FixedProtocol"]


class FixedProtocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every episode has `n_way` classes, `n_shot` support and `n_query` query images a class.

    Attributes:
        n_way: Classes an episode, 2 or more.
        n_shot: Support images a class, 1 or more.
        n_query: Query images a class, 1 or more.
        seed: Seed of the episodes.
        n_episodes: Episodes a set.

    Raises:
        ConfigError: A count below its least value.
    """

    n_way: int = 5
    n_shot: int = 5
    n_query: int = 10
    seed: int = 0
    n_episodes: int = 100

    def __post_init__(self) -> None:
        if self.n_way < 2 or min(self.n_shot, self.n_query, self.n_episodes) < 1 or self.seed < 0:
            raise ConfigError(
                f"n_way must be 2 or more, n_shot, n_query and n_episodes 1 or more, seed 0 or more, got {self}"
            )

    def draw(self, image_set: EpisodeSource, index: int) -> Episode:
        """Draw one episode, as `EpisodeProtocol` says."""
        rng = episode_rng(self.seed, image_set.name, index)
        sizes = image_set.class_sizes
        return sample_episode(sizes, n_way=self.n_way, n_shot=self.n_shot, n_query=self.n_query, rng=rng)
