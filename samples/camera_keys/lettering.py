"""Lines of text as small masks, drawn once and kept: OpenCV's own letters stop at ASCII."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["Ink", "fitted", "font_folder", "text_width", "write"]

Ink = tuple[int, int, int]
"""A colour, (blue, green, red)."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_FIRST_CHOICE = "DejaVuSans.ttf"
_NO_CHARACTER = "\U0010fffe"  # a font shows its sign for "missing" here


@lru_cache(maxsize=64)
def _typeface(file: str | None, size_px: int) -> Font | None:
    try:
        return ImageFont.load_default(size_px) if file is None else ImageFont.truetype(file, size_px)
    except OSError:
        return None


@lru_cache(maxsize=1024)
def _has(file: str | None, character: str) -> bool:
    font = _typeface(file, 20)
    if font is None:
        return False
    missing, mask = font.getmask(_NO_CHARACTER), font.getmask(character)
    return character.isspace() or (mask.size, bytes(mask)) != (missing.size, bytes(missing))


@lru_cache(maxsize=256)
def _font_file(letters: frozenset[str]) -> str | None:
    """Return a font that has all the letters, or as good as any other; None for the one that Pillow brings."""
    for file in (_FIRST_CHOICE, None):
        if all(_has(file, letter) for letter in letters):
            return file
    finder = shutil.which("fc-match")
    if finder is not None:
        charset = " ".join(f"{ord(letter):x}" for letter in sorted(letters))
        command = [finder, "--format", "%{file}", f":scalable=true:charset={charset}"]
        file = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
        if file and all(_has(file, letter) for letter in letters):
            return file
    return _FIRST_CHOICE if _typeface(_FIRST_CHOICE, 20) else None


def _font(text: str, size_px: int) -> Font:
    font = _typeface(_font_file(frozenset(text)), size_px) or _typeface(None, size_px)
    assert font is not None
    return font


def font_folder() -> Path | None:
    """Return the folder of a font that this machine has; None when only Pillow's own is there."""
    font = _typeface(_FIRST_CHOICE, 20)
    return Path(str(font.path)).parent if isinstance(font, ImageFont.FreeTypeFont) else None


@lru_cache(maxsize=1024)
def text_width(text: str, size_px: int) -> float:
    """Return how wide a line is, in pixels."""
    return float(_font(text, size_px).getlength(text))


@lru_cache(maxsize=1024)
def fitted(text: str, size_px: int, width_px: float) -> str:
    """Return a line, or so much of its start with an ellipsis that it is at most `width_px` wide."""
    if text_width(text, size_px) <= width_px:
        return text
    for length in range(len(text) - 1, 0, -1):
        shorter = text[:length].rstrip() + "…"
        if text_width(shorter, size_px) <= width_px:
            return shorter
    return ""


@lru_cache(maxsize=512)
def _mask(text: str, size_px: int) -> NDArray[np.float32]:
    font = _font(text, size_px)
    height = round(size_px * 1.5)
    canvas = Image.new("L", (int(text_width(text, size_px)) + 4, height), 0)
    ImageDraw.Draw(canvas).text((1, round(size_px * 1.1)), text, fill=255, font=font, anchor="ls")
    return (np.asarray(canvas, np.float32) / np.float32(255))[:, :, None]


def write(canvas: NDArray[np.uint8], at: tuple[int, int], text: str, size_px: int, ink: Ink) -> None:
    """Write a line; what does not fit on the canvas is cut off.

    Args:
        canvas: BGR, (H, W, 3), written to.
        at: Left end and baseline, pixels.
        text: One line.
        size_px: Height of the type.
        ink: Its colour.
    """
    mask = _mask(text, size_px)
    left, top = at[0], at[1] - round(size_px * 1.1)
    cut_left, cut_top = max(0, -left), max(0, -top)
    region = canvas[max(0, top) : max(0, top + mask.shape[0]), max(0, left) : max(0, left + mask.shape[1])]
    mask = mask[cut_top:, cut_left:][: region.shape[0], : region.shape[1]]
    region[:] = np.rint(region + mask * (np.array(ink, np.float32) - region)).astype(np.uint8)
