"""From frames to what the backbone makes of them: cropped pixels, features, shots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime.backends.protocol import Array, Encoder
from hyperflow_runtime.bundle.manifest import Preprocessing
from hyperflow_runtime.errors import FrameError, SupportError
from hyperflow_runtime.frames import Frame
from hyperflow_runtime.preprocessing import ColourOrder, crop_and_resize, normalise
from hyperflow_runtime.stopwatch import Stopwatch
from hyperflow_runtime.support import Shot, Support

__all__ = ["Eye", "as_frames"]


def as_frames(frames: Frame | Sequence[Frame]) -> tuple[list[Frame], bool]:
    """Tell one frame from a sequence of frames.

    Returns:
        The frames, and whether a single one was given.

    Raises:
        FrameError: Neither.
    """
    if isinstance(frames, np.ndarray) and frames.ndim < 4:
        return [frames], True
    try:
        return list(frames), False
    except TypeError as error:
        raise FrameError(f"frames must be arrays, got {type(frames).__name__}; use read_image for files") from error


class Eye:
    """Crops, resizes and encodes frames as one bundle asks for."""

    def __init__(self, rule: Preprocessing, colour_order: ColourOrder) -> None:
        """Look as the bundle's preprocessing says, at frames of one colour order."""
        self._rule, self._colour_order = rule, colour_order

    def cropped(self, frames: Sequence[Frame]) -> NDArray[np.uint8]:
        """Pixels as the backbone sees them, RGB (B, size_px, size_px, 3).

        Raises:
            FrameError: A frame cannot be used.
        """
        return np.stack([crop_and_resize(frame, self._rule, self._colour_order) for frame in frames])

    def features(self, frames: Sequence[Frame], encoder: Encoder, watch: Stopwatch) -> Array:
        """Features (B, D) of frames, with the stages `preprocess` and `encode` timed.

        Raises:
            FrameError: A frame cannot be used.
            BackendError: The graph failed.
        """
        with watch.stage("preprocess"):
            images = normalise(self.cropped(frames), self._rule)
        with watch.stage("encode"):
            return encoder.encode(images)

    def features_of(self, support: Support, encoder: Encoder) -> Array:
        """Features (S, D) of shots whose pixels were kept, under the encoder's theta.

        Raises:
            BackendError: The graph failed.
        """
        assert support.images_rgb is not None
        return encoder.encode(normalise(support.images_rgb, self._rule))

    def shots(self, label: str, frames: Sequence[Frame], encoder: Encoder) -> list[Shot]:
        """Shots of a class, seen at theta_0; their ids are -1 until a session gives them out.

        Raises:
            FrameError: A frame cannot be used.
            SupportError: Features that are not finite.
            BackendError: The graph failed.
        """
        images = self.cropped(frames)
        features = encoder.encode(normalise(images, self._rule))
        if not np.isfinite(features).all():
            raise SupportError(
                f"the backbone gives features that are not finite for class {label!r:.80}; export it again"
            )
        return [Shot(-1, label, feature, image) for feature, image in zip(features, images, strict=True)]
