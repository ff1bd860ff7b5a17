"""The picture: a bar of labels over time, pictures of unknown things below it, and the last events as lines."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from line_events.event import AnyEvent, Heartbeat
from line_events.text import event_line
from timeline.reading import Stretch, seconds, stretches

__all__ = ["draw"]

_Ink = tuple[int, int, int]

_WIDTH_PX, _MARGIN_PX, _BAR_PX, _SIDE_PX, _GAP_PX, _LINE_PX = 1200, 40, 56, 132, 9, 24
_BAR_TOP_PX, _PICTURES_TOP_PX = 96, 192
_N_PICTURES, _N_LINES = 8, 8
_COLUMNS_PX = (_MARGIN_PX, 150, 300)
_PAPER: _Ink = (250, 249, 246)
_TEXT: _Ink = (33, 36, 41)
_FAINT: _Ink = (124, 126, 130)
_UNKNOWN: _Ink = (158, 162, 168)
_LOST: _Ink = (211, 64, 58)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def draw(events: Sequence[AnyEvent], unknowns: Path | None, last_s: float) -> Image.Image:
    """Draw the end of a list of events.

    Args:
        events: In order, at least one.
        unknowns: Folder of the pictures; None draws none.
        last_s: Seconds to draw, up to the last event.
    """
    end_s = seconds(events[-1])
    begin_s = end_s - last_s
    held = stretches(events, begin_s, end_s)
    pictures = _pictures(held, unknowns)
    lines = [event_line(event) for event in events if not isinstance(event, Heartbeat)][-_N_LINES:]
    text_top = _PICTURES_TOP_PX + (_SIDE_PX + 56 if pictures else 0)
    image = Image.new("RGB", (_WIDTH_PX, text_top + _LINE_PX * len(lines) + _MARGIN_PX), _PAPER)
    pen = ImageDraw.Draw(image)
    pen.text((_MARGIN_PX, 28), f"Station {events[-1].station}", _TEXT, _font(28))
    span = f"{events[0].time[:10]}, the {last_s:g} seconds up to {events[-1].time[11:19]} UTC"
    pen.text((_WIDTH_PX - _MARGIN_PX, 38), span, _FAINT, _font(18), anchor="ra")
    for stretch in held:
        _draw_stretch(pen, stretch, _place(stretch.from_s, begin_s, last_s), _place(stretch.to_s, begin_s, last_s))
    _draw_pictures(image, pen, pictures, begin_s, last_s)
    for number, line in enumerate(lines):
        top = text_top + number * _LINE_PX
        for left, text in zip(_COLUMNS_PX, _columns(line), strict=True):
            pen.text((left, top), _shortened(text, _WIDTH_PX - _MARGIN_PX - left, 16), _TEXT, _font(16))
    return image


def _columns(line: str) -> tuple[str, str, str]:
    return line[:12], line[14:33].strip(), " ".join(line[33:].split())


def _place(at_s: float, begin_s: float, last_s: float) -> float:
    return _MARGIN_PX + (_WIDTH_PX - 2 * _MARGIN_PX) * min(max((at_s - begin_s) / last_s, 0.0), 1.0)


def _ink(stretch: Stretch) -> _Ink:
    if stretch.label is None:
        return _LOST
    if stretch.label == "":
        return _UNKNOWN
    hue = (zlib.crc32(stretch.label.encode()) * 0.618034) % 1.0  # the same name has the same colour in every picture
    red, green, blue = colorsys.hls_to_rgb(hue, 0.46, 0.45)
    return round(red * 255), round(green * 255), round(blue * 255)


def _draw_stretch(pen: ImageDraw.ImageDraw, stretch: Stretch, left: float, right: float) -> None:
    pen.rectangle((left, _BAR_TOP_PX, max(right - 2, left + 1), _BAR_TOP_PX + _BAR_PX), fill=_ink(stretch))
    name = "no camera" if stretch.label is None else stretch.label or "unknown"
    text = _shortened(name, right - left - 12, 16)
    pen.text(((left + right) / 2, _BAR_TOP_PX + _BAR_PX / 2), text, (255, 255, 255), _font(16), anchor="mm")


def _shortened(text: str, width: float, size: int) -> str:
    if _font(size).getlength(text) <= width:
        return text
    while text and _font(size).getlength(text + "…") > width:
        text = text[:-1]
    return text + "…" if text else ""


def _pictures(held: Sequence[Stretch], unknowns: Path | None) -> list[tuple[Stretch, Image.Image]]:
    found = []
    for stretch in held:
        file = unknowns / Path(stretch.picture).name if unknowns is not None and stretch.picture else None
        if file is not None and file.is_file():
            with Image.open(file, formats=["JPEG"]) as picture:
                found.append((stretch, ImageOps.fit(picture.convert("RGB"), (_SIDE_PX, _SIDE_PX))))
    return found[-_N_PICTURES:]


def _draw_pictures(
    image: Image.Image,
    pen: ImageDraw.ImageDraw,
    pictures: Sequence[tuple[Stretch, Image.Image]],
    begin_s: float,
    last_s: float,
) -> None:
    step, left = _SIDE_PX + _GAP_PX, _MARGIN_PX
    for number, (stretch, picture) in enumerate(pictures):
        middle = (_place(stretch.from_s, begin_s, last_s) + _place(stretch.to_s, begin_s, last_s)) / 2
        furthest = _WIDTH_PX - _MARGIN_PX - _SIDE_PX - (len(pictures) - 1 - number) * step
        left = min(max(left, round(middle - _SIDE_PX / 2)), furthest)
        ends = ((middle, _BAR_TOP_PX + _BAR_PX + 4), (left + _SIDE_PX / 2, _PICTURES_TOP_PX - 4))
        pen.line(ends, fill=_UNKNOWN, width=2)
        image.paste(picture, (left, _PICTURES_TOP_PX))
        after_s = stretch.from_s - begin_s
        pen.text((left + 2, _PICTURES_TOP_PX + _SIDE_PX + 6), f"second {after_s:.0f}", _FAINT, _font(14))
        left += step
