"""The cross-domain few-shot protocol (Guo et al., "A Broader Study of Cross-Domain Few-Shot Learning", 2020)."""

from __future__ import annotations

import msgspec

from hyperflow.episodes.protocol import EpisodeSource
from hyperflow.episodes.sampling import Episode, episode_rng, sample_episode
from hyperflow.errors import ConfigError

__all__ = ["CDFSL_SHOTS", "CdfslProtocol"]

CDFSL_SHOTS = (1, 5, 20, 50)  # 5, 20 and 50 are the benchmark's; most papers add 1

_N_WAY, _N_QUERY = 5, 15


class CdfslProtocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """5-way episodes with 15 queries a class, from all images of a set.

    The benchmark's own 600 episodes cannot be replayed; these can.

    Attributes:
        n_shot: Support images a class: 1, 5, 20 or 50.
        seed: Seed of the episodes.
        n_episodes: Episodes a set.

    Raises:
        ConfigError: Another number of shots, or a count below its least value.
    """

    n_shot: int = 5
    seed: int = 0
    n_episodes: int = 600

    def __post_init__(self) -> None:
        if self.n_shot not in CDFSL_SHOTS:
            raise ConfigError(f"CDFSL has 1, 5, 20 or 50 shots, got {self.n_shot}; FixedProtocol takes any number")
        if self.n_episodes < 1 or self.seed < 0:
            raise ConfigError(f"n_episodes must be 1 or more and seed 0 or more, got {self}")

    def draw(self, image_set: EpisodeSource, index: int) -> Episode:
        """Draw one episode, as `EpisodeProtocol` says."""
        rng = episode_rng(self.seed, image_set.name, index)
        return sample_episode(image_set.class_sizes, n_way=_N_WAY, n_shot=self.n_shot, n_query=_N_QUERY, rng=rng)
