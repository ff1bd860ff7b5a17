"""Pictures in and out: uploads that nobody vouches for, JPEGs of frames, PNGs of shots."""

from __future__ import annotations

import io
import threading

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from server.problems import Problem

__all__ = ["decode_upload", "frame_jpeg", "shot_png"]

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # Pillow knows more, and runs Ghostscript for one of them
_MAX_UPLOAD_SIDE_PX = 1280  # as a camera's frames: pictures that wait to be encoded must not fill the memory
_MIN_SIDE_PX = 4
_MAX_LIVE_WIDTH_PX = 640
_JPEG_QUALITY = 80
_DECODING = threading.Lock()  # one upload at a time, as a large one takes hundreds of megabytes


def decode_upload(data: bytes, *, max_pixels: int) -> NDArray[np.uint8]:
    """Decode an uploaded image, of a type that its content tells. Its size is looked at before any pixel is.

    Args:
        data: JPEG, PNG, WebP or BMP.
        max_pixels: Most pixels.

    Returns:
        BGR (H, W, 3), upright by EXIF; sides above 1280 px are reduced.

    Raises:
        Problem: 400, empty; 413, too many pixels; 415, not an image, or not a whole one.
    """
    if not data:
        raise Problem(400, "The upload is empty (0 bytes); choose an image file.")
    try:
        with _DECODING, Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_size(image, max_pixels)
            image.draft("RGB", (_MAX_UPLOAD_SIDE_PX, _MAX_UPLOAD_SIDE_PX))  # a large JPEG is decoded small
            image.load()
            return _as_bgr(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Problem(413, f"The image is too large ({error}); make it smaller.") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({error!s:.200})"  # it names an object of ours
        raise Problem(
            415,
            f"The upload of {len(data)} bytes is no whole JPEG, PNG, WebP or BMP image{reason}; choose another file.",
        ) from error


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise Problem(
            413,
            f"The image has {width} x {height} px, the limit is {max_pixels / 1e6:g} megapixels; make it smaller.",
        )
    if min(width, height) < _MIN_SIDE_PX:
        raise Problem(415, f"The image has {width} x {height} px; its sides must have {_MIN_SIDE_PX} px or more.")


def _as_bgr(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):  # 16-bit grey, in one of Pillow's several spellings
        grey = np.asarray(image).astype(np.float32) / 257
        image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    colours = image if image.mode == "RGB" else image.convert("RGB")
    colours.thumbnail((_MAX_UPLOAD_SIDE_PX, _MAX_UPLOAD_SIDE_PX), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.ascontiguousarray(np.asarray(ImageOps.exif_transpose(colours))[:, :, ::-1])


def frame_jpeg(image_bgr: NDArray[np.uint8]) -> bytes:
    """Encode a frame for the page, at most 640 px wide."""
    image = Image.fromarray(np.ascontiguousarray(image_bgr[:, :, ::-1]))
    if image.width > _MAX_LIVE_WIDTH_PX:
        size = (_MAX_LIVE_WIDTH_PX, max(1, round(image.height * _MAX_LIVE_WIDTH_PX / image.width)))
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.5)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def shot_png(image_rgb: NDArray[np.uint8]) -> bytes:
    """Encode a shot's cropped picture, lossless."""
    buffer = io.BytesIO()
    Image.fromarray(image_rgb).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
