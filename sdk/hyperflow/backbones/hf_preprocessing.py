"""What `preprocessor_config.json` says of mean, deviation, size and crop, in our words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hyperflow.backbones.hf_files import read_json
from hyperflow.errors import CheckpointError
from hyperflow.images.preprocessing import Preprocessing

__all__ = ["read_preprocessing"]

_NAME = "preprocessor_config.json"
_Size = int | dict[str, Any] | None


class _Fields(msgspec.Struct):
    """The fields that matter here; a file has many more."""

    image_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    image_std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    size: _Size = None
    crop_size: _Size = None
    crop_pct: float | None = None
    do_center_crop: bool | None = None
    do_normalize: bool | None = None
    do_rescale: bool | None = None
    rescale_factor: float = 1 / 255


def _side(size: _Size) -> int | None:
    if isinstance(size, dict):
        sides = [value for key in ("shortest_edge", "height", "width") if (value := size.get(key)) is not None]
        size = sides[0] if sides and all(type(side) is int and side == sides[0] for side in sides) else None
    return size


def read_preprocessing(folder: Path, *, size_px: int | None, native_px: int) -> Preprocessing:
    """Read how images were prepared for published weights; ImageNet's mean and deviation where nothing is said.

    A resize of the shorter side with a centre crop after it becomes one crop of the same share. A resize to a square
    becomes `squash`.

    Args:
        folder: Holds `preprocessor_config.json`, perhaps.
        size_px: Side to use in place of the published one.
        native_px: Side when neither is given.

    Raises:
        CheckpointError: The file is torn, or scales images otherwise than to 0..1.
        ConfigError: A value out of its range.
    """
    fields = _Fields()
    if (folder / _NAME).is_file():
        try:
            fields = msgspec.convert(read_json(folder / _NAME), _Fields)
        except msgspec.ValidationError as error:
            raise CheckpointError(f"{folder / _NAME} is not a preprocessor's configuration ({error})") from error
    if fields.do_rescale is False or abs(fields.rescale_factor * 255 - 1) > 1e-3:
        raise CheckpointError(
            f"{folder / _NAME} does not scale images to 0..1 (rescale_factor {fields.rescale_factor:.3g})"
        )
    resized, crops = _side(fields.size), fields.do_center_crop is True and fields.crop_size is not None
    cropped = _side(fields.crop_size) if crops else resized
    share = fields.crop_pct or 1.0
    if crops and resized and cropped:
        share = min(cropped / resized, 1.0)
    is_square = isinstance(fields.size, dict) and "height" in fields.size and not crops
    is_plain = fields.do_normalize is False
    return Preprocessing(
        size_px=size_px or cropped or native_px,
        resize="squash" if is_square else "centre_crop",
        crop_fraction=1.0 if is_square else share,
        mean=(0.0, 0.0, 0.0) if is_plain else fields.image_mean,
        std=(1.0, 1.0, 1.0) if is_plain else fields.image_std,
    )
