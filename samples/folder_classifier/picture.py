"""The contact sheet: what each class was learned from, and how new photos were recognised."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

import sheet_style as style

MAX_SUPPORT = 6
MAX_QUERIES = 10

_MARGIN, _PADDING, _GAP, _GUTTER = 56, 18, 8, 44
_HEADER, _FOOTER, _NAME_WIDTH, _ROW_GAP = 168, 84, 172, 12
_PILL_HEIGHT, _PILL_GAP, _CORNER = 22, 4, 7


@dataclass(frozen=True)
class Query:
    """A new photo and the two answers given for it.

    Attributes:
        image: The photo, any size and mode.
        direct: Label predicted without adaptation, None for "unknown".
        adapted: Label predicted after adaptation, None for "unknown".
    """

    image: Image.Image
    direct: str | None
    adapted: str | None


@dataclass(frozen=True)
class SheetRow:
    """One class.

    Attributes:
        label: The class's name; an answer is right when it equals this.
        support: The photos the class was learned from, any size and mode.
        queries: New photos of this class.
        is_known: Whether the queries are known to be of this class; if not, answers are shown without a verdict.
    """

    label: str
    support: Sequence[Image.Image]
    queries: Sequence[Query]
    is_known: bool = True


@dataclass(frozen=True)
class _Layout:
    thumb: int
    support_tiles: int
    query_tiles: int

    @property
    def row_height(self) -> int:
        return self.thumb + _PILL_GAP + _PILL_HEIGHT + 2 * _PADDING

    @property
    def support_left(self) -> int:
        return _MARGIN + _PADDING + _NAME_WIDTH

    @property
    def query_left(self) -> int:
        return self.support_left + self.support_tiles * (self.thumb + _GAP) - _GAP + _GUTTER

    @property
    def width(self) -> int:
        return self.query_left + self.query_tiles * (self.thumb + _GAP) - _GAP + _PADDING + _MARGIN


def _tiles(count: int, limit: int) -> int:
    """Return how many tiles show `count` photos: one more than `limit` when a "+n" tile is needed."""
    return min(count, limit + 1)


def _layout(rows: Sequence[SheetRow]) -> _Layout:
    support = max(_tiles(len(row.support), MAX_SUPPORT) for row in rows)
    queries = max(_tiles(len(row.queries), MAX_QUERIES) for row in rows)
    # The title and the legend need room even when there are hardly any photos.
    return _Layout(112 if len(rows) <= 12 else 84, max(support, 3), max(queries, 5))


def _draw_more(sheet: Image.Image, left: int, top: int, side: int, hidden: int) -> None:
    """Draw the tile that stands for `hidden` photos without room."""
    style.fill_rounded(sheet, (left, top, left + side, top + side), _CORNER, style.PAPER)
    style.write(sheet, (left + side / 2, top + side / 2), f"+{hidden}", 20, style.FAINT, "mm")


def _draw_photo(sheet: Image.Image, image: Image.Image, left: int, top: int, side: int) -> None:
    photo = style.thumbnail(image, side, _CORNER)
    sheet.paste(photo, (left, top), photo)


def _draw_pill(sheet: Image.Image, box: tuple[int, int, int, int], predicted: str | None, truth: str | None) -> None:
    """Draw one answer: a tick when right, else the predicted name, or a question mark for unknown."""
    style.fill_rounded(sheet, box, 6, style.outcome_ink(predicted, truth))
    centre = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
    if truth is not None and predicted == truth:
        style.draw_tick(sheet, centre, style.CARD)
        return
    text = "?" if predicted is None else style.fitted(predicted, 12, box[2] - box[0] - 6)
    style.write(sheet, centre, text, 12, style.CARD, "mm")


def _draw_query(sheet: Image.Image, query: Query, truth: str | None, left: int, top: int, side: int) -> None:
    _draw_photo(sheet, query.image, left, top, side)
    upper, half = top + side + _PILL_GAP, (side - 2) // 2
    lower = upper + _PILL_HEIGHT
    _draw_pill(sheet, (left, upper, left + half, lower), query.direct, truth)
    _draw_pill(sheet, (left + side - half, upper, left + side, lower), query.adapted, truth)


def _draw_name(sheet: Image.Image, row: SheetRow, left: int, middle: int) -> None:
    """Write a class's name and how many of its photos were recognised."""
    room = _NAME_WIDTH - 14
    size = 24 if style.font(24).getlength(row.label) <= room else 18
    style.write(sheet, (left, middle - 18), style.fitted(row.label, size, room), size, style.TEXT)
    if not row.queries or not row.is_known:
        return
    for offset, (name, answers) in enumerate(
        (("direct", [query.direct for query in row.queries]), ("adapted", [query.adapted for query in row.queries]))
    ):
        right = sum(answer == row.label for answer in answers)
        line = middle + 8 + 22 * offset
        style.write(sheet, (left, line), name, 15, style.FAINT)
        style.write(sheet, (left + 64, line), f"{right} of {len(answers)}", 15, style.TEXT)


def _draw_row(sheet: Image.Image, row: SheetRow, layout: _Layout, top: int) -> None:
    style.fill_rounded(sheet, (_MARGIN, top, layout.width - _MARGIN, top + layout.row_height), 14, style.CARD)
    _draw_name(sheet, row, _MARGIN + _PADDING, top + layout.row_height // 2)
    step, upper = layout.thumb + _GAP, top + _PADDING
    centred = top + (layout.row_height - layout.thumb) // 2
    for index, image in enumerate(row.support[:MAX_SUPPORT]):
        _draw_photo(sheet, image, layout.support_left + index * step, centred, layout.thumb)
    if len(row.support) > MAX_SUPPORT:
        left = layout.support_left + MAX_SUPPORT * step
        _draw_more(sheet, left, centred, layout.thumb, len(row.support) - MAX_SUPPORT)
    for index, query in enumerate(row.queries[:MAX_QUERIES]):
        truth = row.label if row.is_known else None
        _draw_query(sheet, query, truth, layout.query_left + index * step, upper, layout.thumb)
    if len(row.queries) > MAX_QUERIES:
        left = layout.query_left + MAX_QUERIES * step
        _draw_more(sheet, left, upper, layout.thumb, len(row.queries) - MAX_QUERIES)
    rule = layout.query_left - _GUTTER // 2
    sheet.paste(style.HAIRLINE, (rule, upper, rule + 1, top + layout.row_height - _PADDING))


def _draw_legend(sheet: Image.Image, top: int, *, has_verdicts: bool) -> None:
    left: float = _MARGIN
    verdicts = ((style.RIGHT, "right"), (style.WRONG, "wrong, with the answer given"))
    answers = ((style.NEUTRAL, "the answer given"),)
    for ink, text in (*(verdicts if has_verdicts else answers), (style.UNKNOWN, "unknown")):
        style.fill_rounded(sheet, (round(left), top, round(left) + 26, top + 16), 5, ink)
        style.write(sheet, (left + 36, top + 14), text, 16, style.FAINT)
        left += 36 + style.font(16).getlength(text) + 32
    note = "left mark: direct  ·  right mark: adapted"
    style.write(sheet, (sheet.width - _MARGIN, top + 14), note, 16, style.FAINT, "rs")


def draw_sheet(rows: Sequence[SheetRow], *, title: str, subtitle: str) -> Image.Image:
    """Draw a contact sheet with one row per class.

    Long rows end in a "+n" tile, long names in an ellipsis; photos are cropped to their centre square.

    Args:
        rows: The classes, 1 or more.
        title: Large first line.
        subtitle: Second line, for instance the two accuracies and the adaptation time in ms.

    Returns:
        An RGB image; its width follows the number of photos, its height the number of rows.

    Raises:
        ValueError: If there are no rows.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one row")
    layout = _layout(rows)
    height = _HEADER + len(rows) * (layout.row_height + _ROW_GAP) - _ROW_GAP + _FOOTER
    sheet = Image.new("RGB", (layout.width, height), style.PAPER)
    room = layout.width - 2 * _MARGIN
    style.write(sheet, (_MARGIN, 78), style.fitted(title, 38, room), 38, style.TEXT)
    style.write(sheet, (_MARGIN, 112), style.fitted(subtitle, 20, room), 20, style.FAINT)
    style.write(sheet, (layout.support_left, _HEADER - 14), "Learned from", 16, style.FAINT)
    style.write(sheet, (layout.query_left, _HEADER - 14), "New photos", 16, style.FAINT)
    for index, row in enumerate(rows):
        _draw_row(sheet, row, layout, _HEADER + index * (layout.row_height + _ROW_GAP))
    _draw_legend(sheet, height - _FOOTER + 32, has_verdicts=any(row.is_known for row in rows))
    return sheet
