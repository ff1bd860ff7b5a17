"""The evaluation itself: fixed, replayable episodes from every set, one answer a method."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from hyperflow.episodes.sampling import episode_rng, sample_episode
from hyperflow.errors import ConfigError
from hyperflow.evaluation.statistics import Estimate, paired_difference, summarise
from hyperflow.evaluation.subjects import METHODS, Subject
from hyperflow.images.image_set import ImageSet

__all__ = ["Evaluation", "EvaluationConfig", "SetResult", "evaluate"]


class EvaluationConfig(msgspec.Struct, frozen=True):
    """Which episodes to draw.

    Attributes:
        n_way: Classes an episode.
        n_shot: Support images a class.
        n_query: Query images a class.
        episodes: Episodes a set.
        seed: Seed of the episodes.

    Raises:
        ConfigError: A count below its least value.
    """

    n_way: int = 5
    n_shot: int = 5
    n_query: int = 10
    episodes: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_way < 2 or min(self.n_shot, self.n_query, self.episodes) < 1:
            raise ConfigError(f"n_way must be 2 or more and every other count 1 or more, got {self}")


class SetResult(msgspec.Struct, frozen=True):
    """Result on one set, or on all together.

    Attributes:
        accuracy: Mean accuracy of each method, in points.
        gain: Paired difference of each other method to `direct`, in points.
        per_episode: Accuracy of each method in each episode, in 0..1; empty for the mean over sets.
    """

    accuracy: dict[str, Estimate]
    gain: dict[str, Estimate]
    per_episode: dict[str, list[float]]


class Evaluation(msgspec.Struct, frozen=True):
    """Results of a whole evaluation; `mean` weighs every set alike."""

    subject: str
    config: EvaluationConfig
    sets: dict[str, SetResult]
    mean: SetResult


def _result(per_episode: dict[str, list[float]]) -> SetResult:
    gain = {name: paired_difference(per_episode[name], per_episode["direct"]) for name in METHODS if name != "direct"}
    return SetResult({name: summarise(per_episode[name]) for name in METHODS}, gain, per_episode)


def _mean_of(estimates: list[Estimate]) -> Estimate:
    """Mean of independent means: their variances add up."""
    half_widths = np.array([estimate.ci95 for estimate in estimates])
    mean = float(np.mean([estimate.mean for estimate in estimates]))
    return Estimate(mean, float(np.sqrt((half_widths**2).sum()) / len(estimates)))


def _mean_result(results: list[SetResult]) -> SetResult:
    accuracy = {name: _mean_of([result.accuracy[name] for result in results]) for name in METHODS}
    gain = {name: _mean_of([result.gain[name] for result in results]) for name in METHODS if name != "direct"}
    return SetResult(accuracy, gain, {})


def evaluate(
    subject: Subject, name: str, sets: list[ImageSet], config: EvaluationConfig,
    *, progress: Callable[[str], None] | None = None,
) -> Evaluation:  # fmt: skip
    """Answer the same episodes by every method.

    Args:
        subject: Checkpoint or bundle.
        name: What to call it in the result.
        sets: Where the episodes come from.
        config: Which episodes.
        progress: Called with the set's name after every episode.

    Raises:
        DataError: A set has too few classes or images, or an image cannot be decoded.
    """
    results: dict[str, SetResult] = {}
    for image_set in sets:
        members = [member for group in image_set.classes.values() for member in group]
        sizes = [len(group) for group in image_set.classes.values()]
        per_episode: dict[str, list[float]] = {method: [] for method in METHODS}
        for index in range(config.episodes):
            rng = episode_rng(config.seed, image_set.name, index)
            episode = sample_episode(sizes, n_way=config.n_way, n_shot=config.n_shot, n_query=config.n_query, rng=rng)
            support = [image_set.image(members[row]) for row in episode.support_rows]
            queries = [image_set.image(members[row]) for row in episode.query_rows]
            answers = subject.answer(support, episode.support_labels, queries, config.n_way)
            for method in METHODS:
                per_episode[method].append(float((answers[method] == episode.query_labels).mean()))
            if progress is not None:
                progress(image_set.name)
        results[image_set.name] = _result(per_episode)
    return Evaluation(name, config, results, _mean_result(list(results.values())))
