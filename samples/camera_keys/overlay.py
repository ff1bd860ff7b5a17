"""Draws a frame with the scoreboard beside it, in a few milliseconds."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from keys import HELP
from lettering import Ink, fitted, text_width, write
from scoreboard import MOST_ROWS, Row, Scoreboard

__all__ = ["Overlay"]

Canvas = NDArray[np.uint8]

_PANEL: Ink = (38, 33, 30)
_GROOVE: Ink = (66, 58, 54)
_TEXT: Ink = (244, 242, 240)
_FAINT: Ink = (176, 168, 162)
_UNKNOWN: Ink = (190, 184, 178)
_CLASS_INKS: tuple[Ink, ...] = (
    (178, 170, 164), (110, 196, 88), (68, 154, 252), (236, 160, 84), (112, 108, 246), (92, 206, 234),
    (222, 130, 196), (196, 206, 96), (130, 160, 236), (206, 178, 170),
)  # fmt: skip

_LOWEST_PX, _HIGHEST_PX = 360, 1080
_PANEL_SHARE = 0.56  # of the height


class Overlay:
    """Draws canvases of one size for frames of one size."""

    def __init__(self, crop_fraction: float | None) -> None:
        """Say what the model sees of a frame.

        Args:
            crop_fraction: Side of the square in the middle that the model sees, as a share of the shorter side; None
                when it sees everything.
        """
        self._crop_fraction = crop_fraction

    def draw(self, image_bgr: NDArray[np.uint8], board: Scoreboard) -> Canvas:
        """Return a picture to show: the frame, and the scoreboard to its right.

        Args:
            image_bgr: The frame, (H, W, 3); left as it is.
            board: What to tell.

        Returns:
            BGR, with even sides: the height is the frame's, brought to 360..1080 pixels.
        """
        height, width = _shown_size(*image_bgr.shape[:2])
        picture = cv2.resize(image_bgr, (width, height), interpolation=cv2.INTER_AREA) \
            if (height, width) != image_bgr.shape[:2] else image_bgr  # fmt: skip
        panel_width = round(height * _PANEL_SHARE / 2) * 2
        canvas = np.empty((height, width + panel_width, 3), np.uint8)
        canvas[:, :width] = picture[:, ::-1] if board.is_mirrored else picture
        canvas[:, width:] = _PANEL
        unit = height / 24
        shown = canvas[:, :width]
        self._draw_crop_marks(shown, _ink(board.headline_key) if board.probability is not None else _UNKNOWN, unit)
        if board.is_flashing:
            cv2.rectangle(canvas, (0, 0), (width - 1, height - 1), _TEXT, max(2, round(unit / 3)))
        if board.is_help:
            _draw_help(shown, unit)
        elif board.message:
            _draw_message(shown, board.message, unit)
        _draw_panel(canvas[:, width:], board, unit)
        return canvas

    def _draw_crop_marks(self, picture: Canvas, ink: Ink, unit: float) -> None:
        if self._crop_fraction is None:
            return
        height, width = picture.shape[:2]
        half, arm = min(height, width) * self._crop_fraction / 2 - unit / 3, unit * 1.2
        for across in (-1, 1):
            for down in (-1, 1):
                x, y = round(width / 2 + across * half), round(height / 2 + down * half)
                corner = np.array([(x - round(across * arm), y), (x, y), (x, y - round(down * arm))], np.int32)
                for colour, thickness in (((0, 0, 0), 4), (ink, 2)):
                    cv2.polylines(picture, [corner], False, colour, thickness, cv2.LINE_AA)


def _shown_size(height: int, width: int) -> tuple[int, int]:
    """Return (height, width) to show a frame at, both even."""
    shown = min(max(height, _LOWEST_PX), _HIGHEST_PX)
    return shown // 2 * 2, max(2, round(width * shown / height / 2) * 2)


def _ink(key: int | None) -> Ink:
    return _UNKNOWN if key is None else _CLASS_INKS[key]


def _shade(region: Canvas, share: float = 0.25) -> None:
    region[:] = cv2.addWeighted(region, share, region, 0.0, 0.0)


def _draw_message(picture: Canvas, text: str, unit: float) -> None:
    size = round(unit * 0.95)
    text = fitted(text, size, picture.shape[1] - 2 * unit)
    top = picture.shape[0] - round(unit * 2.0)
    _shade(picture[top:])
    left = round((picture.shape[1] - text_width(text, size)) / 2)
    write(picture, (left, top + round(unit * 1.3)), text, size, _TEXT)


def _draw_help(picture: Canvas, unit: float) -> None:
    _shade(picture, 0.15)
    size, step = round(unit * 0.85), unit * 1.75
    baseline = (picture.shape[0] - step * (len(HELP) - 1)) / 2
    for keys, meaning in HELP:
        write(picture, (round(unit), round(baseline)), keys, size, _CLASS_INKS[1])
        room = picture.shape[1] - 5.5 * unit
        write(picture, (round(5 * unit), round(baseline)), fitted(meaning, size, room), size, _TEXT)
        baseline += step


def _draw_panel(panel: Canvas, board: Scoreboard, unit: float) -> None:
    left, right = round(unit * 0.8), panel.shape[1] - round(unit * 0.8)
    percent = "" if board.probability is None else f"{board.probability:.0%}"
    known = board.headline_key is not None
    size = round(unit * (1.75 if board.probability is not None else 1.0))
    percent_size = round(unit * 1.1)
    room = right - left - (text_width(percent, percent_size) + unit / 2 if known else 0)
    ink = _ink(board.headline_key) if known else _UNKNOWN
    write(panel, (left, round(unit * 2.3)), fitted(board.headline, size, room), size, ink)
    if known:
        write(
            panel, (round(right - text_width(percent, percent_size)), round(unit * 2.3)), percent, percent_size, _TEXT
        )
    top = unit * 4.0
    for row in board.rows:
        _draw_row(panel, row, (left, right), top, unit)
        top += unit * 2.35
    _draw_facts(panel, board.facts, left, right, unit)


def _draw_row(panel: Canvas, row: Row, sides: tuple[int, int], top: float, unit: float) -> None:
    left, right = sides
    size = round(unit * 0.9)
    baseline = round(top + unit * 0.9)
    shots = f"{row.n_shots}" if row.n_shots else "hold the key"
    shots_size = round(unit * 0.75)
    key = "" if row.key is None else str(row.key)
    write(panel, (left, baseline), key, size, _FAINT)
    name_left = left + round(unit * 1.1)
    room = right - name_left - text_width(shots, shots_size) - unit / 2
    write(panel, (name_left, baseline), fitted(row.name, size, room), size, _TEXT if row.n_shots else _FAINT)
    write(panel, (round(right - text_width(shots, shots_size)), baseline), shots, shots_size, _FAINT)
    bar_top, bar_bottom = round(top + unit * 1.3), round(top + unit * 1.75)
    panel[bar_top:bar_bottom, name_left:right] = _GROOVE
    if row.share is not None:
        panel[bar_top:bar_bottom, name_left : name_left + round(row.share * (right - name_left))] = _ink(row.key)


def _draw_facts(panel: Canvas, facts: tuple[str, ...], left: int, right: int, unit: float) -> None:
    size, step = round(unit * 0.75), unit * 1.15
    room_top = unit * (4.0 + 2.35 * MOST_ROWS)
    most = int((panel.shape[0] - room_top - unit * 0.5) / step)
    baseline = panel.shape[0] - unit * 0.8 - step * (len(facts[:most]) - 1)
    for fact in facts[:most]:
        write(panel, (left, round(baseline)), fitted(fact, size, right - left), size, _FAINT)
        baseline += step
