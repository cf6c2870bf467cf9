"""Where words stand on a page, as text operators of PDF."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from ..document import Box, Line, Page, Point
from .characters import one_row
from .glyphless import ADVANCE, DESCENT, GlyphlessFont, clusters

# Lines that rise by more than this share of a box's height are followed along their slope; the
# boxes of flatter ones are filled exactly.
_STEEP = 0.5
_LEAST = 0.01  # pixels, points: nothing is scaled to nothing

Projection = Callable[[Point], Point]
"""From pixels of the picture to the units of a PDF page."""


@dataclass(frozen=True)
class Placed:
    """Characters from left to right along a slope.

    ``start``: their lower left corner; ``angle``: radians, clockwise on the picture; ``length``
    and ``height`` in pixels.
    """

    cells: tuple[str, ...]
    start: Point
    angle: float
    length: float
    height: float

    def along(self, point: Point) -> float:
        """How far a point is from the start, in the direction of reading."""
        dx, dy = point[0] - self.start[0], point[1] - self.start[1]
        return dx * math.cos(self.angle) + dy * math.sin(self.angle)

    def at(self, length: float, height: float = 0.0) -> Point:
        """The point that far along, that far up."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x, y = self.start
        return x + length * cos + height * sin, y + length * sin - height * cos


def text_operators(page: Page, project: Projection, font: GlyphlessFont) -> bytes:
    """A content stream: all lines of the page as invisible text, in reading order."""
    shown = []
    for region in page.regions:
        for line in region.lines:
            box = line.box or region.box or (0, 0, page.width, page.height)
            shown += [_operators(piece, project, font) for piece in place(page, line, box)]
    if not shown:
        return b""
    # 3 Tr: neither filled nor stroked.
    return "\n".join(["q BT 3 Tr", *shown, "ET Q\n"]).encode("ascii")


def place(page: Page, line: Line, box: Box) -> Iterator[Placed]:
    """The words of a line, with a space that fills the gap between each two.

    A line whose words are unknown, or without boxes, fills its box as a whole. Text that runs
    from right to left comes in visual order, as it stands, which is what extractors expect.
    """
    angle = _angle(page, line)
    if line.words and all(word.box for word in line.words):
        words = [
            _fitted(one_row(word.text), word.box, angle)
            for word in line.words
            if word.box and one_row(word.text)
        ]
    elif line.text.strip():
        words = [_fitted(one_row(line.text), box, angle)]
    else:
        words = []
    if words and _has_right_to_left(line.text):
        first = words[0]
        words.sort(key=lambda word: first.along(word.start))
    for word, after in pairwise(words):
        yield word
        yield _space(word, after)
    yield from words[-1:]


def _angle(page: Page, line: Line) -> float:
    """The direction of reading, radians clockwise; that of the page where there is no baseline."""
    if len(line.baseline) > 1:
        (x0, y0), (x1, y1) = line.baseline[0], line.baseline[-1]
        if (x0, y0) != (x1, y1):
            return math.atan2(y1 - y0, x1 - x0)
    return -math.radians(page.orientation)


def _fitted(text: str, box: Box, angle: float) -> Placed:
    """Text that fills a box, along the nearest side or, where it is steep, along the slope."""
    side = round(angle / (math.pi / 2)) * (math.pi / 2)
    slope = angle - side
    width, height = float(box[2] - box[0]), float(box[3] - box[1])
    if abs(math.sin(side)) > 0.5:
        width, height = height, width
    length, size = width, height
    if width * math.tan(abs(slope)) > _STEEP * height:
        # The rectangle at this slope whose upright bounds are the box.
        cos, sin = math.cos(slope), abs(math.sin(slope))
        inner = (height * cos - width * sin) / math.cos(2 * slope)
        outer = (width * cos - height * sin) / math.cos(2 * slope)
        if min(inner, outer) > 0:
            length, size, side = outer, inner, angle
    length, size = max(length, _LEAST), max(size, _LEAST)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    corner = Placed((), middle, side, length, size).at(-length / 2, -size / 2)
    return Placed(tuple(visual_order(text)), corner, side, length, size)


def _space(word: Placed, after: Placed) -> Placed:
    gap = word.along(after.start) - word.length
    length = max(gap, _LEAST)
    return replace(word, cells=(" ",), start=word.at(word.length), length=length)


def _operators(piece: Placed, project: Projection, font: GlyphlessFont) -> str:
    base = -piece.height * DESCENT / 1000
    origin = project(piece.at(0, base))
    end = project(piece.at(piece.length, base))
    top = project(piece.at(0, base + piece.height))
    size = max(math.dist(origin, top), _LEAST)
    length = max(math.dist(origin, end), _LEAST)
    cos, sin = (end[0] - origin[0]) / length, (end[1] - origin[1]) / length
    stretch = 100 * length / (len(piece.cells) * ADVANCE / 1000 * size)
    return (
        f"/{FONT_NAME} {_decimal(size)} Tf {_decimal(stretch)} Tz"
        f" {_decimal(cos)} {_decimal(sin)} {_decimal(-sin)} {_decimal(cos)}"
        f" {_decimal(origin[0])} {_decimal(origin[1])} Tm <{font.encode(list(piece.cells))}> Tj"
    )


FONT_NAME = "TrOCRText"


def _decimal(value: float) -> str:
    return f"{value:.5f}".rstrip("0").rstrip(".") if abs(value) > 5e-6 else "0"


def _has_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)


def visual_order(text: str) -> list[str]:
    """Characters from left to right as they stand: of one word, by the simplest of bidi's rules.

    In a word with letters of a script written leftwards, these and what is neutral run leftwards;
    digits and letters of other scripts keep their order among themselves.
    """
    cells = clusters(text)
    if not _has_right_to_left(text):
        return cells
    ordered: list[str] = []
    run: list[str] = []
    for cell in reversed(cells):
        if unicodedata.bidirectional(cell[0]) in ("L", "EN", "AN"):
            run.insert(0, cell)
        else:
            ordered += [*run, cell]
            run = []
    return ordered + run
