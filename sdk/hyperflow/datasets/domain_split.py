"""Which images teach the backbone, which teach the drift, and which neither may see.

A drift that is trained on classes its backbone already knows learns nothing: there, theta_0 is right. So every class
belongs to one side only.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import msgspec
import numpy as np

from hyperflow.errors import ConfigError, DataError
from hyperflow.images.packed import PackedSet

__all__ = ["DomainSplit", "SplitDomains"]


@dataclass(frozen=True)
class SplitDomains:
    """The three parts of the training images.

    Attributes:
        pretraining: Sets, or some classes of them, that teach the backbone.
        refinement: Sets, or the other classes, that teach the drift.
        meta_validation: Whole sets that choose step size, guard and calibration.
    """

    pretraining: list[PackedSet]
    refinement: list[PackedSet]
    meta_validation: list[PackedSet]


class DomainSplit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rule that divides image sets by name and classes by chance.

    Attributes:
        meta_validation: Names of sets that no training sees.
        refinement_only: Names of sets that only the drift sees.
        pretraining_share: Share of the classes of every other set that go to the backbone, in [0, 1]; 0 for a backbone
            that was trained elsewhere.
        seed: Seed of that draw.

    Raises:
        ConfigError: A share out of range or a set named twice.
    """

    meta_validation: tuple[str, ...] = ()
    refinement_only: tuple[str, ...] = ()
    pretraining_share: float = 0.67
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.pretraining_share <= 1.0:
            raise ConfigError(f"pretraining_share must be in [0, 1], got {self.pretraining_share}")
        if twice := set(self.meta_validation) & set(self.refinement_only):
            raise ConfigError(f"sets named as meta_validation and refinement_only: {', '.join(sorted(twice))}")

    def apply(self, domains: list[PackedSet]) -> SplitDomains:
        """Divide the sets.

        Raises:
            DataError: A named set is not there.
        """
        named = (*self.meta_validation, *self.refinement_only)
        if unknown := sorted(set(named) - {domain.name for domain in domains}):
            raise DataError(
                f"the split names {', '.join(unknown)}, but the sets are {', '.join(domain.name for domain in domains)}"
            )
        parts = SplitDomains([], [], [domain for domain in domains if domain.name in self.meta_validation])
        parts.refinement.extend(domain for domain in domains if domain.name in self.refinement_only)
        for domain in domains:
            if domain.name not in named:
                pretraining, refinement = self._divide(domain)
                parts.pretraining.extend(pretraining)
                parts.refinement.extend(refinement)
        return parts

    def _divide(self, domain: PackedSet) -> tuple[list[PackedSet], list[PackedSet]]:
        rng = np.random.default_rng([self.seed, zlib.crc32(domain.name.encode())])
        n_classes = len(domain.class_names)
        order = rng.permutation(n_classes)
        n_pretraining = round(n_classes * self.pretraining_share)
        if self.pretraining_share:
            n_pretraining = max(1, n_pretraining)
        seen, rest = order[:n_pretraining], order[n_pretraining:]
        return [domain.of_classes(seen)] if len(seen) else [], [domain.of_classes(rest)] if len(rest) > 1 else []
