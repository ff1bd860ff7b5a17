"""How the arms with gradients are run: settings of each, with the defaults that are used when none are given."""

from __future__ import annotations

import msgspec

from hyperflow.errors import ConfigError
from hyperflow.teacher.fine_tuning import FineTuning

__all__ = ["LinearProbe", "Recipes"]


class LinearProbe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Logistic regression on unit-length features at theta_0.

    Tian et al., "Rethinking Few-Shot Image Classification" (arXiv:2003.11539).

    Attributes:
        inverse_penalty: C in sum of losses + |W|^2 / 2C; above 0.
        n_iterations: Most iterations of L-BFGS, at least 1.

    Raises:
        ConfigError: A value out of its range.
    """

    inverse_penalty: float = 1.0
    n_iterations: int = 100

    def __post_init__(self) -> None:
        if self.inverse_penalty <= 0 or self.n_iterations < 1:
            raise ConfigError(f"inverse_penalty must be above 0 and n_iterations at least 1, got {self}")


class Recipes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recipe for each arm with gradients.

    The rates and steps belong to a backbone: choose them on sets that take no part in the evaluation.

    Attributes:
        subset_tuning: Moves theta alone.
        full_tuning: Moves every weight of the backbone.
        linear_probe: Leaves the backbone as it is.

    Raises:
        ConfigError: A recipe that moves the wrong parameters.
    """

    subset_tuning: FineTuning = FineTuning("subset", n_steps=25, learning_rate=3e-3)
    full_tuning: FineTuning = FineTuning("all", n_steps=40, learning_rate=5e-4)
    linear_probe: LinearProbe = LinearProbe()

    def __post_init__(self) -> None:
        found = (self.subset_tuning.parameters, self.full_tuning.parameters)
        if found != ("subset", "all"):
            raise ConfigError(f'subset_tuning moves parameters "subset" and full_tuning "all", got {found}')
