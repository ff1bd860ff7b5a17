"""Pixels as a source gives them, to pixels as a camera gives them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime.cameras.options import Flip
from hyperflow_runtime.errors import CameraError

__all__ = ["prepared"]


def prepared(image: object, flip: Flip) -> NDArray[np.uint8]:
    """Check a picture, flip it, and make it read-only.

    Args:
        image: What came: uint8 (H, W, 3), (H, W) or (H, W, 1) grey, or (H, W, 4) with alpha, which is dropped.
        flip: See `Flip`.

    Returns:
        uint8 (H, W, 3), contiguous, not to be written to.

    Raises:
        CameraError: It is no picture.
    """
    if not isinstance(image, np.ndarray) or image.size == 0:
        raise CameraError("the camera gave an empty frame; is its cable firm?")
    if image.ndim == 2:
        image = image[:, :, None]
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise CameraError(
            f"the camera gave no picture but {image.dtype} of shape {image.shape}; it must give BGR, uint8"
        )
    if image.shape[2] == 1:
        image = np.broadcast_to(image, (*image.shape[:2], 3))
    turned = np.ascontiguousarray(_flipped(image[:, :, :3], flip)).view()
    turned.setflags(write=False)
    return turned


def _flipped(image: NDArray[np.uint8], flip: Flip) -> NDArray[np.uint8]:
    if flip == "horizontal":
        return image[:, ::-1]
    if flip == "vertical":
        return image[::-1]
    quarter_turns = {"rotate-90": -1, "rotate-180": 2, "rotate-270": 1}.get(flip, 0)
    return np.rot90(image, quarter_turns) if quarter_turns else image
