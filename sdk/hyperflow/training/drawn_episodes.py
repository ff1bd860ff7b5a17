"""Training episodes: a random set, random ways and shots, augmented images, perhaps a new appearance."""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from torch.nn import functional

from hyperflow.episodes.sampling import sample_episode
from hyperflow.errors import ConfigError, DataError
from hyperflow.images.augmentation import random_colour, random_view
from hyperflow.images.domain_shift import random_domain_shift
from hyperflow.images.packed import PackedSet
from hyperflow.images.preprocessing import Preprocessing, normalise
from hyperflow.images.tensors import as_unit_images

__all__ = ["DrawnEpisode", "EpisodeShape", "EpisodeSource"]


class EpisodeShape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How large training episodes are, and how much their images change.

    Attributes:
        ways: Least and most classes of an episode.
        shots: Least and most support images a class.
        n_query: Query images a class.
        max_images: Most images of an episode; ways and shots above it, or above what a set holds, are drawn again.
        shift_probability: Chance that an episode changes its appearance as one.

    Raises:
        ConfigError: A range that cannot work.
    """

    ways: tuple[int, int] = (3, 10)
    shots: tuple[int, int] = (1, 8)
    n_query: int = 6
    max_images: int = 90
    shift_probability: float = 0.5

    def __post_init__(self) -> None:
        if not 2 <= self.ways[0] <= self.ways[1] or not 1 <= self.shots[0] <= self.shots[1]:
            raise ConfigError(f"ways must be 2 or more and shots 1 or more, least first, got {self.ways}, {self.shots}")
        if self.ways[0] * (self.shots[0] + self.n_query) > self.max_images:
            raise ConfigError(f"max_images={self.max_images} is below the smallest episode; raise it or lower n_query")


class DrawnEpisode(msgspec.Struct, frozen=True):
    """One episode, ready for the network.

    Attributes:
        images: Preprocessed support and query, (S + Q, 3, H, W).
        labels_onehot: Of the support, (S, N).
        query_labels: (Q,).
    """

    images: torch.Tensor
    labels_onehot: torch.Tensor
    query_labels: torch.Tensor

    def to(self, device: torch.device) -> DrawnEpisode:
        """The same on another device."""
        return DrawnEpisode(self.images.to(device), self.labels_onehot.to(device), self.query_labels.to(device))


def _fits(domain: PackedSet, n_way: int, n_images: int) -> bool:
    """Whether enough classes hold as many images."""
    return sum(size >= n_images for size in domain.class_sizes) >= n_way


class EpisodeSource:
    """Draws episode number i of a run: the same i gives the same episode."""

    def __init__(self, domains: list[PackedSet], rule: Preprocessing, shape: EpisodeShape, seed: int) -> None:
        """Take the sets to draw from; a set is as likely as the root of its number of classes.

        Args:
            domains: Packed training sets.
            rule: Size and normalisation of the network's input.
            shape: Ways, shots, augmentation.
            seed: The run's seed.

        Raises:
            DataError: A set has fewer classes, or smaller ones, than the smallest episode needs.
        """
        for domain in domains:
            if len(domain.class_names) < shape.ways[0]:
                raise DataError(
                    f"{domain.name} has {len(domain.class_names)} classes for refinement, "
                    f"fewer than ways[0]={shape.ways[0]}"
                )
            if not _fits(domain, shape.ways[0], shape.shots[0] + shape.n_query):
                raise DataError(
                    f"{domain.name} has fewer than {shape.ways[0]} classes of {shape.shots[0] + shape.n_query} images "
                    f"(shots[0]={shape.shots[0]} and n_query={shape.n_query}); lower these or leave the set out"
                )
        self._domains, self._rule, self._shape, self._seed = domains, rule, shape, seed
        weights = np.sqrt([len(domain.class_names) for domain in domains])
        self._share = weights / weights.sum()

    def _size(self, domain: PackedSet, rng: np.random.Generator) -> tuple[int, int]:
        shape = self._shape
        most_ways = min(shape.ways[1], len(domain.class_names))
        while True:
            n_way = int(rng.integers(shape.ways[0], most_ways + 1))
            n_shot = int(rng.integers(shape.shots[0], shape.shots[1] + 1))
            n_images = n_shot + shape.n_query
            if n_way * n_images <= shape.max_images and _fits(domain, n_way, n_images):
                return n_way, n_shot

    def draw(self, number: int) -> DrawnEpisode:
        """Draw episode `number`, on the CPU."""
        shape = self._shape
        rng = np.random.default_rng([self._seed, number])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        domain = self._domains[int(rng.choice(len(self._domains), p=self._share))]
        n_way, n_shot = self._size(domain, rng)
        episode = sample_episode(domain.class_sizes, n_way=n_way, n_shot=n_shot, n_query=shape.n_query, rng=rng)
        pixels = domain.images_rgb(np.concatenate([episode.support_rows, episode.query_rows]))
        images = random_view(as_unit_images(pixels), self._rule.size_px, generator, min_area=0.6)
        images = random_colour(images, generator, strength=0.2)
        images = random_domain_shift(images, generator, probability=shape.shift_probability)
        ready = normalise(images.permute(0, 2, 3, 1), self._rule).contiguous(memory_format=torch.channels_last)
        labels_onehot = functional.one_hot(torch.from_numpy(episode.support_labels), n_way).float()
        return DrawnEpisode(ready, labels_onehot, torch.from_numpy(episode.query_labels))
