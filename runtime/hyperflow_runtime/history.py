"""What a session holds at one moment, and the moments before, for undo."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hyperflow_runtime.adaptation import Adaptation
from hyperflow_runtime.backends.protocol import Array
from hyperflow_runtime.baking import EncoderSlot
from hyperflow_runtime.classifier import Classifier
from hyperflow_runtime.errors import AdaptationError, SupportError
from hyperflow_runtime.support import Support

__all__ = ["History", "InForce", "Moment"]

_MAX_UNDO = 100


@dataclass(frozen=True, eq=False)
class InForce:
    """What predictions use: an adaptation, and the fastest encoder for its theta."""

    adaptation: Adaptation
    slot: EncoderSlot

    def answering(self, base: EncoderSlot, *, adapted: bool) -> tuple[Classifier, EncoderSlot]:
        """Which classifier answers, and what encodes for it.

        Args:
            base: Encodes at theta_0.
            adapted: False for the answer without adapting.

        Raises:
            AdaptationError: A file without shots was loaded, so there is no answer without adapting.
        """
        if adapted:
            return self.adaptation.classifier, self.slot
        if self.adaptation.direct is None:
            raise AdaptationError("the loaded file holds no shots, so there is no answer without adapting")
        return self.adaptation.direct, base


@dataclass(frozen=True, eq=False)
class Moment:
    """What a session holds; replaced as a whole, so that readers never wait and never see half of a change.

    Attributes:
        support: All shots.
        in_force: What predictions use; None before the first adaptation.
        is_stale: Whether the support was changed since that adaptation.
        version: Grows with every change.
    """

    support: Support = field(default_factory=Support)
    in_force: InForce | None = None
    is_stale: bool = False
    version: int = 0

    def support_features(self, *, adapted: bool) -> Array:
        """See `Session.support_features`."""
        if not self.support.shots:
            raise AdaptationError("there are no shots; add some")
        if not adapted:
            return self.support.features
        seen = {} if self.in_force is None else self.in_force.adaptation.features
        try:
            return np.stack([seen[shot.shot_id] for shot in self.support.shots])
        except KeyError:
            raise AdaptationError("some shots were not seen under the theta in force; adapt first") from None


class History:
    """The last moments before each change of the support."""

    def __init__(self) -> None:
        """Start empty."""
        self._moments: list[Moment] = []

    def __bool__(self) -> bool:
        return bool(self._moments)

    def keep(self, moment: Moment) -> None:
        """Remember what was there before a change."""
        self._moments.append(moment)
        del self._moments[:-_MAX_UNDO]

    def take_back(self) -> Moment:
        """Return what was there before the last change, and forget it.

        Raises:
            SupportError: There is nothing to take back.
        """
        if not self._moments:
            raise SupportError("nothing to undo")
        return self._moments.pop()
