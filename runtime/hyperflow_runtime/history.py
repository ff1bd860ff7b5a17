"""What a session holds, and what it held before, for undo."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

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

    def without_classes(self, labels: Iterable[str]) -> InForce | None:
        """The same without some classes; None when none would be left."""
        adaptation: Adaptation | None = self.adaptation
        for label in labels:
            adaptation = adaptation and adaptation.without_class(label)
        return None if adaptation is None else replace(self, adaptation=adaptation)

    def with_renamed_class(self, old: str, new: str) -> InForce:
        """The same with one class under another name."""
        return replace(self, adaptation=self.adaptation.with_renamed_class(old, new))


@dataclass(frozen=True, eq=False)
class Moment:
    """What a session holds; replaced as a whole, so that readers never wait and never see half of a change.

    Attributes:
        support: All shots.
        in_force: What predictions use; None before the first adaptation.
        is_stale: Whether shots came or went since that adaptation.
        version: Grows with every change.
    """

    support: Support = field(default_factory=Support)
    in_force: InForce | None = None
    is_stale: bool = False
    version: int = 0

    @property
    def is_unseen(self) -> bool:
        """Whether the adaptation in force was loaded, with pictures, and its shots not looked at under its theta."""
        if self.in_force is None or self.is_stale or self.in_force.adaptation.features:
            return False
        return self.support.images_rgb is not None

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
    """What a session holds now, and what it held before each change of the support, for undo.

    Any thread may read `now`, without a lock; changes are for one thread at a time.

    Attributes:
        now: Replaced as a whole by every change.
    """

    def __init__(self, *, bake: bool) -> None:
        """Start empty.

        Args:
            bake: Prepare a faster encoder for each theta that is put in force.
        """
        self.now = Moment()
        self._bake = bake
        self._before: list[Moment] = []

    @property
    def can_take_back(self) -> bool:
        """Whether there was a change that is still remembered."""
        return bool(self._before)

    def edit(self, support: Support, in_force: InForce | None, *, is_stale: bool) -> None:
        """Change the support, and remember what was there before.

        Args:
            support: From now on.
            in_force: Likewise.
            is_stale: Likewise.
        """
        self._before.append(self.now)
        del self._before[:-_MAX_UNDO]
        self._enter(Moment(support, in_force, is_stale))

    def complete(self, moment: Moment, features: Array) -> Moment:
        """Add how the shots look under the theta in force; nothing else changes, the version neither.

        Args:
            moment: With something in force; replaced when it is still the present one.
            features: (S, D).

        Returns:
            The moment with them.
        """
        assert moment.in_force is not None
        adaptation = moment.in_force.adaptation.with_features(moment.support, features)
        completed = replace(moment, in_force=replace(moment.in_force, adaptation=adaptation))
        if self.now is moment:
            self.now = completed
        return completed

    def put_in_force(self, adapted: InForce) -> None:
        """Serve an adaptation, less what was edited away while it was computed. `take_back` takes it back, too.

        Args:
            adapted: Dropped when none of its classes is left, or when the support went back to what another one in
                force was made from.
        """
        support = self.now.support
        is_stale = not adapted.adaptation.was_made_from(support)
        edited = None if is_stale and not self.now.is_stale else adapted.adaptation.as_edited(support)
        if edited is not None:
            self._enter(Moment(support, InForce(edited, adapted.slot), is_stale))

    def take_back(self) -> None:
        """Return to what was there before the last change of the support.

        Raises:
            SupportError: There is nothing to take back.
        """
        if not self._before:
            raise SupportError("nothing to undo")
        self._enter(self._before.pop())

    def _enter(self, moment: Moment) -> None:
        """Of all the thetas that are remembered, only the one in force stays baked."""
        before, after = self.now.in_force, moment.in_force
        if after is not None and self._bake:
            after.slot.start_baking()
        self.now = replace(moment, version=self.now.version + 1)
        if before is not None and (after is None or after.slot is not before.slot):
            before.slot.drop_baked()
