"""What every episode protocol can do, and what it draws from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hyperflow.episodes.sampling import Episode

__all__ = ["EpisodeProtocol", "EpisodeSource"]


class EpisodeSource(Protocol):
    """A set of classes to draw from: an `ImageSet`, or a `PackedSet` where the classes' structure does not matter."""

    @property
    def name(self) -> str:
        """The set's name."""
        ...

    @property
    def class_sizes(self) -> Sequence[int]:
        """Number of images of each class."""
        ...


class EpisodeProtocol(Protocol):
    """A rule that draws episodes; the same seed, set name and number give the same episode, whatever was drawn before.

    Attributes:
        n_episodes: Episodes a set that the protocol asks for.
    """

    @property
    def n_episodes(self) -> int:
        """Episodes a set that the protocol asks for."""
        ...

    def draw(self, image_set: EpisodeSource, index: int) -> Episode:
        """Draw one episode.

        Args:
            image_set: What to draw from.
            index: Number of the episode, 0 or more.

        Raises:
            hyperflow.errors.DataError: The set is too small, or lacks a structure that the protocol needs.
        """
        ...
