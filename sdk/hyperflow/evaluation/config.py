"""What to evaluate: which episodes, which methods, and what else to measure on the way."""

from __future__ import annotations

from typing import Literal

import msgspec

from hyperflow.episodes.cdfsl import CdfslProtocol
from hyperflow.episodes.fixed import FixedProtocol
from hyperflow.episodes.meta_dataset import MetaDatasetProtocol
from hyperflow.episodes.orbit import OrbitProtocol
from hyperflow.episodes.protocol import EpisodeProtocol
from hyperflow.errors import ConfigError
from hyperflow.evaluation.methods import ALL_METHODS, METHODS, TUNING_METHODS
from hyperflow.evaluation.recipes import Recipes

__all__ = ["EvaluationConfig", "ProtocolName", "default_episodes", "episode_protocol"]

ProtocolName = Literal["fixed", "meta-dataset", "cdfsl", "orbit"]


class EvaluationConfig(msgspec.Struct, frozen=True):
    """Which episodes to draw, and by which methods to answer them.

    Attributes:
        n_way: Classes an episode; None where the protocol decides.
        n_shot: Support images a class; None where the protocol decides.
        n_query: Query images a class; None where the protocol decides.
        episodes: Episodes a set.
        seed: Seed of the episodes, and of whatever chance a method needs.
        protocol: Rule that draws the episodes.
        methods: Some of `ALL_METHODS`, in any order; `direct` is always among them, since gains count from it.
        tuning_episodes: The methods with gradients answer only this many episodes of each set; all when None.
        recipes: Of the methods with gradients.
        curves: Also answer after every Euler step, and at several step sizes.
        costs: Also measure memory and multiply-accumulates, once, before the first episode.
        unknown: Also ask about images of classes that the episode does not hold, as many as it has queries; the
            episodes stay the same.

    Raises:
        ConfigError: A count below its least value, or a method that is not known.
    """

    n_way: int | None = 5
    n_shot: int | None = 5
    n_query: int | None = 10
    episodes: int = 100
    seed: int = 0
    protocol: ProtocolName = "fixed"
    methods: tuple[str, ...] = METHODS
    tuning_episodes: int | None = None
    recipes: Recipes = Recipes()
    curves: bool = False
    costs: bool = True
    unknown: bool = False

    def __post_init__(self) -> None:
        counts = (self.n_shot, self.n_query, self.episodes, self.tuning_episodes)
        if (self.n_way or 2) < 2 or any(count is not None and count < 1 for count in counts):
            raise ConfigError(f"n_way must be 2 or more and every other count 1 or more, got {self}")
        if unknown := [method for method in self.methods if method not in ALL_METHODS]:
            raise ConfigError(f"no method {', '.join(unknown)}; choose from {', '.join(ALL_METHODS)}")
        if "direct" not in self.methods:
            raise ConfigError(f"methods must hold direct, from which gains count, got {', '.join(self.methods)}")

    def methods_at(self, index: int) -> tuple[str, ...]:
        """Methods that answer episode number `index` of a set, in the order of `ALL_METHODS`."""
        skips_tuning = self.tuning_episodes is not None and index >= self.tuning_episodes
        return tuple(m for m in ALL_METHODS if m in self.methods and not (skips_tuning and m in TUNING_METHODS))


def episode_protocol(config: EvaluationConfig) -> EpisodeProtocol:
    """Rule that draws the episodes of a configuration.

    Raises:
        ConfigError: A value that the protocol does not take.
    """
    if config.protocol == "fixed":
        n_way, n_shot, n_query = config.n_way, config.n_shot, config.n_query
        if n_way is None or n_shot is None or n_query is None:
            raise ConfigError("the fixed protocol needs n_way, n_shot and n_query")
        return FixedProtocol(n_way, n_shot, n_query, seed=config.seed, n_episodes=config.episodes)
    if config.protocol == "cdfsl":
        return CdfslProtocol(config.n_shot or 5, seed=config.seed, n_episodes=config.episodes)
    protocol = OrbitProtocol if config.protocol == "orbit" else MetaDatasetProtocol
    return protocol(seed=config.seed, n_episodes=config.episodes)


def default_episodes(protocol: ProtocolName) -> int:
    """Episodes a set that a protocol asks for by itself."""
    if protocol == "fixed":
        return FixedProtocol().n_episodes
    if protocol == "cdfsl":
        return CdfslProtocol().n_episodes
    return OrbitProtocol().n_episodes if protocol == "orbit" else MetaDatasetProtocol().n_episodes
