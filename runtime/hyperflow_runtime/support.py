"""The support set: shots with their classes, immutable, so that undo is a matter of keeping the old one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime.backends.protocol import Array
from hyperflow_runtime.bundle.manifest import Limits
from hyperflow_runtime.errors import SupportError

__all__ = ["Shot", "Support", "check_label"]

_MAX_LABEL_CHARACTERS = 200


def check_label(label: str) -> str:
    """Return a class name that can be used.

    Raises:
        SupportError: Not a string, blank, too long, or with control characters.
    """
    if not isinstance(label, str) or not label.strip():
        raise SupportError(f"a class name must be a string with a visible character, got {label!r:.80}")
    if len(label) > _MAX_LABEL_CHARACTERS or not label.isprintable():
        raise SupportError(
            f"a class name must have at most {_MAX_LABEL_CHARACTERS} printable characters, got {label!r:.80}"
        )
    return label


@dataclass(frozen=True, eq=False)
class Shot:
    """One support image.

    Attributes:
        shot_id: Number that the session gave out.
        label: Its class.
        feature: At theta_0, (D,); computed once, at capture.
        image_rgb: Cropped and resized pixels, (size_px, size_px, 3); None when loaded from a file saved without.
    """

    shot_id: int
    label: str
    feature: Array
    image_rgb: NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class Support:
    """All shots, in the order they were added."""

    shots: tuple[Shot, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes, in the order of their first shot."""
        return tuple(dict.fromkeys(shot.label for shot in self.shots))

    @property
    def n_shots(self) -> dict[str, int]:
        """Number of shots of each class."""
        counts = dict.fromkeys(self.labels, 0)
        for shot in self.shots:
            counts[shot.label] += 1
        return counts

    @property
    def features(self) -> Array:
        """Base features of all shots, (S, D)."""
        return np.stack([shot.feature for shot in self.shots])

    @property
    def labels_onehot(self) -> Array:
        """Class of each shot in the order of `labels`, (S, N)."""
        column = {label: index for index, label in enumerate(self.labels)}
        return np.eye(len(column), dtype=np.float32)[[column[shot.label] for shot in self.shots]]

    @property
    def images_rgb(self) -> NDArray[np.uint8] | None:
        """Pixels of all shots, (S, size_px, size_px, 3); None when some were not kept."""
        images = [shot.image_rgb for shot in self.shots if shot.image_rgb is not None]
        return np.stack(images) if images and len(images) == len(self.shots) else None

    def _require_class(self, label: str) -> None:
        if label not in self.labels:
            raise SupportError(f"no class {label!r:.80}; the classes are {', '.join(self.labels) or '(none)'}")

    def check_room(self, label: str, n_new: int, limits: Limits) -> None:
        """Check that shots of a class can be added.

        Raises:
            SupportError: Too many shots or classes for the bundle.
        """
        if len(self.shots) + n_new > limits.max_support:
            raise SupportError(
                f"{len(self.shots)} shots and {n_new} more exceed the bundle's limit of {limits.max_support}; "
                "remove some, or export a bundle with a larger --max-support"
            )
        if label not in self.labels and len(self.labels) >= limits.max_ways:
            raise SupportError(
                f"class {label!r:.80} would be number {len(self.labels) + 1}, the bundle's limit is {limits.max_ways}; "
                "remove a class, or export a bundle with a larger --max-ways"
            )

    def with_shots(self, shots: tuple[Shot, ...]) -> Support:
        """Add shots at the end."""
        return Support(self.shots + shots)

    def without_shot(self, shot_id: int) -> Support:
        """Drop one shot; its class goes with its last shot.

        Raises:
            SupportError: No such shot.
        """
        kept = tuple(shot for shot in self.shots if shot.shot_id != shot_id)
        if len(kept) == len(self.shots):
            raise SupportError(f"no shot {shot_id!r:.80}; it was removed, or never given out by this session")
        return Support(kept)

    def without_class(self, label: str) -> Support:
        """Drop a class with all its shots.

        Raises:
            SupportError: No such class.
        """
        self._require_class(label)
        return Support(tuple(shot for shot in self.shots if shot.label != label))

    def with_renamed_class(self, old: str, new: str) -> Support:
        """Give a class another name.

        Raises:
            SupportError: No such class, a bad name, or one that is taken.
        """
        self._require_class(old)
        if check_label(new) in self.labels:
            raise SupportError(f"class {new!r:.80} exists already; remove it first, or choose another name")
        return Support(tuple(replace(shot, label=new) if shot.label == old else shot for shot in self.shots))
