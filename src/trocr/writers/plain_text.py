"""Plain text: in reading order, or laid out as on the page."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from statistics import median

from ..document import Document, Page
from .characters import one_row
from .options import Options
from .rows import Piece, rows

MOST_EMPTY_ROWS = 3


def render(document: Document, options: Options) -> str:
    """A row for each line, an empty row between regions, a form feed between pages.

    With ``options.layout``, lines that stand side by side share a row, at columns that follow
    their positions.
    """
    page_text = _laid_out if options.layout else _in_reading_order
    return "\f".join(map(page_text, document))


def _in_reading_order(page: Page) -> str:
    regions = (
        "".join(one_row(line.text) + "\n" for line in r.lines if line.text) for r in page.regions
    )
    return "\n".join(filter(None, regions))


def _laid_out(page: Page) -> str:
    upright = page.turned(page.orientation)
    laid_out = rows(upright.lines)
    placeless = [one_row(line.text) for line in upright.lines if line.text and line.box is None]
    unit = _character_width(laid_out)
    margin = min((row[0].box[0] for row in laid_out), default=0)
    text = []
    for empty, row in zip(_empty_rows(laid_out), laid_out, strict=True):
        text += [""] * empty + [_row(row, margin, unit)]
    return "".join(row + "\n" for row in [*text, *placeless])


def _row(row: list[Piece], margin: int, unit: float) -> str:
    written = ""
    for piece in row:
        column = round((piece.box[0] - margin) / unit)
        at_least = 2 if written else 0
        written += " " * max(at_least, column - _columns(written)) + piece.text
    return written


def _character_width(laid_out: list[list[Piece]]) -> float:
    """Pixels a column: the usual width of a character, or less where neighbours would collide."""
    pieces = [piece for row in laid_out for piece in row]
    if not pieces:
        return 1.0
    usual = median((p.box[2] - p.box[0]) / max(1, _columns(p.text)) for p in pieces)
    room = [
        (right.box[0] - left.box[0]) / (_columns(left.text) + 2)
        for row in laid_out
        for left, right in pairwise(row)
    ]
    return max(1.0, usual / 2, min([usual, *room]))


def _empty_rows(laid_out: list[list[Piece]]) -> list[int]:
    """How many empty rows stand above each row."""
    heights = [row[0].middle for row in laid_out]
    steps = [after - before for before, after in pairwise(heights)]
    if not steps:
        return [0] * len(laid_out)
    pitch = max(1.0, median(steps))
    return [0, *(min(MOST_EMPTY_ROWS, max(0, round(step / pitch) - 1)) for step in steps)]


def _columns(text: str) -> int:
    """The width of a text where East Asian characters take two columns and marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
