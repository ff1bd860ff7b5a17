"""Episodes of varying ways and shots (Triantafillou et al., "Meta-Dataset", arXiv:1903.03096).

Classes: some of all, or some of one superclass (Omniglot's alphabets), or those below one node of a graph (ImageNet's
part of WordNet). The query is as large for every class; shots are unbalanced and the support's total is bounded.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from hyperflow.episodes.protocol import EpisodeSource
from hyperflow.episodes.sampling import Episode, episode_rng
from hyperflow.errors import ConfigError, DataError
from hyperflow.images.structure import ClassGraph, Superclasses

__all__ = ["MetaDatasetProtocol"]

Numbers = NDArray[np.int64]


class MetaDatasetProtocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Meta-Dataset's sampler; names and defaults are those of its published configuration.

    Attributes:
        seed: Seed of the episodes.
        n_episodes: Episodes a set.
        num_ways: Fixed number of classes; None draws it. For sets without structure only.
        num_support: Fixed shots a class, or a range to draw them from, both ends included; None draws them per class.
        num_query: Fixed queries a class; None takes as many as the smallest class allows.
        min_ways: Fewest classes, 2 or more.
        max_ways_upper_bound: Most classes.
        max_num_query: Most queries a class.
        max_support_set_size: Most support images an episode, at least `max_ways_upper_bound`.
        max_support_size_contrib_per_class: Most images that a class adds to the size of the support.
        min_log_weight: Lower end of the log weight of a class's share of the support.
        max_log_weight: Upper end of it.
        min_examples_in_class: Classes with fewer images are left out.
        max_spanning_leaves: Nodes of a graph with more classes below them are not drawn; 392 is the least bound that
            leaves every class of ImageNet within reach.
        ignore_dag_ontology: Treat a set with a graph as one without.
        ignore_bilevel_ontology: Treat a set with superclasses as one without.
        ignore_hierarchy_probability: Chance that an episode ignores the structure, in [0, 1].

    Raises:
        ConfigError: Values that contradict each other or are out of range.
    """

    seed: int = 0
    n_episodes: int = 600
    num_ways: int | None = None
    num_support: int | tuple[int, int] | None = None
    num_query: int | None = None
    min_ways: int = 5
    max_ways_upper_bound: int = 50
    max_num_query: int = 10
    max_support_set_size: int = 500
    max_support_size_contrib_per_class: int = 100
    min_log_weight: float = math.log(0.5)
    max_log_weight: float = math.log(2.0)
    min_examples_in_class: int = 0
    max_spanning_leaves: int = 392
    ignore_dag_ontology: bool = False
    ignore_bilevel_ontology: bool = False
    ignore_hierarchy_probability: float = 0.0

    def __post_init__(self) -> None:
        most_ways = max(self.max_ways_upper_bound, self.num_ways or 0)
        low, high = self._shot_range
        rules = {
            "2 <= min_ways <= max_ways_upper_bound": 2 <= self.min_ways <= self.max_ways_upper_bound,
            "num_ways >= 2": self.num_ways is None or self.num_ways >= 2,
            "1 <= num_support, ascending": 1 <= low <= high,
            "num_query >= 1": self.num_query is None or self.num_query >= 1,
            "max_num_query >= 1": self.max_num_query >= 1,
            "max_support_size_contrib_per_class >= 1": self.max_support_size_contrib_per_class >= 1,
            "max_support_set_size >= the most ways": self.max_support_set_size >= most_ways,
            "min_log_weight <= max_log_weight": self.min_log_weight <= self.max_log_weight,
            "ignore_hierarchy_probability in [0, 1]": 0.0 <= self.ignore_hierarchy_probability <= 1.0,
            "n_episodes >= 1 and seed >= 0": self.n_episodes >= 1 and self.seed >= 0,
        }
        if broken := [rule for rule, holds in rules.items() if not holds]:
            raise ConfigError(f"MetaDatasetProtocol needs {'; '.join(broken)}; got {self}")

    @property
    def _shot_range(self) -> tuple[int, int]:
        """Fewest and most shots of a class where they are fixed or drawn alike; (1, 1) where they are not."""
        if self.num_support is None:
            return (1, 1)
        return self.num_support if isinstance(self.num_support, tuple) else (self.num_support, self.num_support)

    def draw(self, image_set: EpisodeSource, index: int) -> Episode:
        """Draw one episode, as `EpisodeProtocol` says; a set without `structure` is drawn from as a plain one."""
        rng = episode_rng(self.seed, image_set.name, index)
        sizes = np.asarray(image_set.class_sizes, dtype=np.int64)
        classes = self._classes(image_set, sizes, rng)
        chosen = sizes[classes]
        n_query = self._n_query(image_set.name, chosen)
        shots = self._shots(chosen, n_query, rng)
        first_rows = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        picks = [
            first_rows[number] + rng.choice(sizes[number], size=n_shot + n_query, replace=False)
            for number, n_shot in zip(classes, shots, strict=True)
        ]
        labels = np.arange(len(classes))
        return Episode(
            classes=classes,
            support_rows=np.concatenate([rows[n_query:] for rows in picks]),
            support_labels=np.repeat(labels, shots),
            query_rows=np.concatenate([rows[:n_query] for rows in picks]),
            query_labels=np.repeat(labels, n_query),
        )

    def _classes(self, image_set: EpisodeSource, sizes: Numbers, rng: np.random.Generator) -> Numbers:
        structure = getattr(image_set, "structure", None)
        ignored = rng.random() < self.ignore_hierarchy_probability
        if isinstance(structure, Superclasses) and not (ignored or self.ignore_bilevel_ontology):
            return self._classes_of_group(image_set.name, structure, rng)
        allowed = np.flatnonzero(sizes >= self.min_examples_in_class)
        if isinstance(structure, ClassGraph) and not (ignored or self.ignore_dag_ontology):
            return self._classes_below_node(image_set.name, structure, allowed, rng)
        return self._classes_of_all(image_set.name, allowed, rng)

    def _refuse_num_ways(self, name: str, structure: str) -> None:
        if self.num_ways is not None:
            raise ConfigError(
                f"num_ways={self.num_ways} cannot be had from {name}, whose {structure} decide the ways; "
                f"set ignore_bilevel_ontology and ignore_dag_ontology, or leave num_ways out"
            )

    def _classes_of_all(self, name: str, allowed: Numbers, rng: np.random.Generator) -> Numbers:
        least = self.num_ways or self.min_ways
        if len(allowed) < least:
            raise DataError(
                f"{name} has {len(allowed)} classes of {self.min_examples_in_class} images or more, but an episode "
                f"needs {least}; lower min_ways or min_examples_in_class"
            )
        most = min(self.max_ways_upper_bound, len(allowed))
        n_way = self.num_ways or int(rng.integers(self.min_ways, most, endpoint=True))
        return rng.choice(allowed, size=n_way, replace=False)

    def _classes_of_group(self, name: str, groups: Superclasses, rng: np.random.Generator) -> Numbers:
        self._refuse_num_ways(name, "superclasses")
        if self.min_examples_in_class > 0:
            raise ConfigError(
                f"min_examples_in_class={self.min_examples_in_class} cannot be used with {name}, which has "
                "superclasses; set it to 0 or set ignore_bilevel_ontology"
            )
        for group, classes in zip(groups.names, groups.classes, strict=True):
            if len(classes) < self.min_ways:
                raise DataError(
                    f"{name}: superclass {group} has {len(classes)} classes, fewer than min_ways={self.min_ways}; "
                    "lower min_ways or set ignore_bilevel_ontology"
                )
        classes = groups.classes[int(rng.integers(len(groups.classes)))]
        most = min(self.max_ways_upper_bound, len(classes))
        return rng.choice(classes, size=int(rng.integers(self.min_ways, most, endpoint=True)), replace=False)

    def _classes_below_node(self, name: str, graph: ClassGraph, allowed: Numbers, rng: np.random.Generator) -> Numbers:
        self._refuse_num_ways(name, "graph")
        spans: list[Numbers] = [np.intersect1d(span, allowed) for span in graph.spans]
        eligible = [span for span in spans if self.min_ways <= len(span) <= self.max_spanning_leaves]
        if not eligible:
            raise DataError(
                f"{name}: none of {len(spans)} nodes spans {self.min_ways} to {self.max_spanning_leaves} classes of "
                f"{self.min_examples_in_class} images or more; lower min_ways or set ignore_dag_ontology"
            )
        span = eligible[int(rng.integers(len(eligible)))]
        return rng.choice(span, size=min(self.max_ways_upper_bound, len(span)), replace=False)

    def _n_query(self, name: str, chosen: Numbers) -> int:
        """As many as the smallest class can spare: half of it, or what the fixed shots leave."""
        smallest, most_shots = int(chosen.min()), self._shot_range[1]
        spare = smallest // 2 if self.num_support is None else smallest - most_shots
        if self.num_query is not None:
            spare = self.num_query if smallest - most_shots >= self.num_query else 0
        if spare < 1:
            raise DataError(
                f"{name}: a class of {smallest} images cannot give both support and query; remove such classes, or "
                f"set min_examples_in_class to {most_shots + (self.num_query or 1)} or more"
            )
        return spare if self.num_query is not None else min(self.max_num_query, spare)

    def _shots(self, chosen: Numbers, n_query: int, rng: np.random.Generator) -> Numbers:
        """Shots of each class, at least 1, at most what its queries leave."""
        n_way, left = len(chosen), chosen - n_query
        if self.num_support is not None:
            low, high = self._shot_range
            return np.full(n_way, rng.integers(low, high, endpoint=True))
        share = 1.0 - rng.random()  # beta in (0, 1]
        wanted = np.ceil(share * np.minimum(self.max_support_size_contrib_per_class, left)).sum()
        total = min(self.max_support_set_size, int(wanted))
        weights = chosen * np.exp(rng.uniform(self.min_log_weight, self.max_log_weight, size=n_way))
        shots = np.floor(weights / weights.sum() * (total - n_way)).astype(np.int64) + 1
        capped: Numbers = np.minimum(shots, left)
        return capped
