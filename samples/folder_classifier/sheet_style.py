"""Colours, sizes and type of the contact sheet."""

from bisect import bisect_right
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont, ImageOps

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Ink = tuple[int, int, int]

PAPER: Ink = (250, 249, 246)
CARD: Ink = (255, 255, 255)
HAIRLINE: Ink = (226, 223, 216)
TEXT: Ink = (33, 36, 41)
FAINT: Ink = (124, 126, 130)
RIGHT: Ink = (38, 150, 98)
WRONG: Ink = (211, 64, 58)
UNKNOWN: Ink = (158, 162, 168)
NEUTRAL: Ink = (70, 104, 150)

# Shapes are drawn this much larger and reduced, since Pillow does not smooth their edges.
_OVERSIZE = 4


def outcome_ink(predicted: str | None, truth: str | None) -> Ink:
    """Return the colour of a prediction: unknown for None, right, wrong, or neutral where there is no truth."""
    if predicted is None:
        return UNKNOWN
    if truth is None:
        return NEUTRAL
    return RIGHT if predicted == truth else WRONG


@lru_cache(maxsize=32)
def font(size: int) -> Font:
    """Return Pillow's built-in typeface at `size` pixels."""
    return ImageFont.load_default(size=size)


def fitted(text: str, size: int, width: float) -> str:
    """Shorten a text with an ellipsis until it is at most `width` pixels wide in the type of `size` pixels."""
    if font(size).getlength(text) <= width:
        return text
    keep = bisect_right(range(len(text)), width, key=lambda length: font(size).getlength(text[:length] + "…")) - 1
    return text[:keep].rstrip() + "…" if keep > 0 else ""


def thumbnail(image: Image.Image, side: int, corner: int) -> Image.Image:
    """Crop the centre square, scale it to `side` pixels and round its corners; returns RGBA."""
    square = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
    square.putalpha(rounded_mask((side, side), corner))
    return square


@lru_cache(maxsize=64)
def rounded_mask(size: tuple[int, int], corner: int) -> Image.Image:
    """Return a smooth-edged mask ("L") of a filled rounded rectangle of (width, height) pixels."""
    large = Image.new("L", (size[0] * _OVERSIZE, size[1] * _OVERSIZE), 0)
    box = (0, 0, large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle(box, corner * _OVERSIZE, fill=255)
    return large.resize(size, Image.Resampling.LANCZOS)


def fill_rounded(sheet: Image.Image, box: tuple[int, int, int, int], corner: int, ink: Ink) -> None:
    """Fill a rounded rectangle (left, top, right, bottom) on the sheet with smooth edges."""
    size = (box[2] - box[0], box[3] - box[1])
    sheet.paste(ink, (box[0], box[1]), rounded_mask(size, corner))


def write(sheet: Image.Image, at: tuple[float, float], text: str, size: int, ink: Ink, anchor: str = "ls") -> None:
    """Write a line of text on the sheet; `anchor` as in Pillow, by default the left end of the baseline."""
    ImageDraw.Draw(sheet).text(at, text, fill=ink, font=font(size), anchor=anchor)


def draw_tick(sheet: Image.Image, centre: tuple[int, int], ink: Ink) -> None:
    """Draw a smooth tick about 10 pixels wide."""
    side = 12
    stencil = Image.new("L", (side * _OVERSIZE, side * _OVERSIZE), 0)
    stroke = [(corner[0] * _OVERSIZE, corner[1] * _OVERSIZE) for corner in ((1.5, 6.3), (4.7, 9.5), (10.5, 2.7))]
    ImageDraw.Draw(stencil).line(stroke, fill=255, width=2 * _OVERSIZE, joint="curve")
    mask = stencil.resize((side, side), Image.Resampling.LANCZOS)
    sheet.paste(ink, (centre[0] - side // 2, centre[1] - side // 2), mask)
