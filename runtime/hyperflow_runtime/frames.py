"""Frames as they come from cameras and files: BGR uint8 arrays, OpenCV's convention."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hyperflow_runtime.errors import FrameError

__all__ = ["Frame", "as_eight_bit", "read_image"]

Frame = NDArray[Any]
"""(H, W, 3) BGR, (H, W) or (H, W, 1) grey, or (H, W, 4) BGRA with alpha ignored; uint8 or uint16."""

MIN_SIDE_PX = 4
MAX_SIDE_PX = 16_384
MAX_PIXELS = 100_000_000
_MAX_FILE_BYTES = 256 * 2**20
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")  # Pillow knows more, and runs Ghostscript for one of them


def _check_size(width: int, height: int, what: str) -> None:
    if min(width, height) < MIN_SIDE_PX or max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise FrameError(
            f"{what} is {width} x {height} px; sides must be {MIN_SIDE_PX}..{MAX_SIDE_PX} px "
            f"and the area at most {MAX_PIXELS // 10**6} megapixels"
        )


def as_eight_bit(frame: Frame) -> NDArray[np.uint8]:
    """Check a frame and bring it to 8 bits and 1 or 3 channels.

    Args:
        frame: See `Frame`. 16-bit values are read as 0..65535.

    Returns:
        uint8, (H, W) for grey or (H, W, 3) in the frame's own channel order.

    Raises:
        FrameError: Not an array, another type or shape, or too small or large.
    """
    if not isinstance(frame, np.ndarray):
        raise FrameError(f"a frame must be a numpy array, got {type(frame).__name__}; use read_image for files")
    if frame.ndim == 3 and frame.shape[2] == 1:
        frame = frame[:, :, 0]
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] not in (3, 4)):
        raise FrameError(f"a frame must be (H, W, 3), (H, W, 4), (H, W, 1) or (H, W), got shape {frame.shape}")
    _check_size(frame.shape[1], frame.shape[0], "the frame")
    if frame.dtype == np.uint16:
        frame = (frame // 257).astype(np.uint8)
    if frame.dtype != np.uint8:
        raise FrameError(f"a frame must be uint8 or uint16, got {frame.dtype}; scale to 0..255 and convert")
    return np.ascontiguousarray(frame[:, :, :3] if frame.ndim == 3 else frame)


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Decode an image file as a BGR frame.

    Grey, RGBA (alpha ignored), palette and 16-bit files are converted; EXIF orientation is left alone, as a camera
    frame has none.

    Args:
        path: JPEG, PNG, BMP, WebP or TIFF.

    Returns:
        BGR, (H, W, 3).

    Raises:
        FrameError: Missing, empty, too large, no image, or only a part of one.
    """
    path = Path(path)
    try:
        size_bytes = path.stat().st_size
        if not path.is_file() or not 0 < size_bytes <= _MAX_FILE_BYTES:
            raise FrameError(f"{path} is no image file: {size_bytes} bytes; give a file of 1 byte to 256 MiB")
        with Image.open(io.BytesIO(path.read_bytes()), formats=_FORMATS) as image:
            _check_size(image.width, image.height, str(path))
            if image.mode.startswith("I"):  # 16-bit grey, in one of Pillow's several spellings
                return np.repeat(as_eight_bit(np.asarray(image).astype(np.uint16))[:, :, None], 3, axis=2)
            return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
    except OSError as error:
        reason = error.strerror or str(error)
        raise FrameError(f"{path} cannot be read as an image ({reason}); replace or remove it") from error
    except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FrameError(f"{path} cannot be read as an image ({error}); replace or remove it") from error
