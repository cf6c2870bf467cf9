"""Where words stand on a page, as text operators of PDF."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from ..bidi import has_right_to_left, right_to_left, visual_order
from ..document import Box, Line, Page, Point, Region
from .characters import one_row
from .glyphless import ADVANCE, DESCENT, GlyphlessFont, clusters

# A line that rises by more than this share of its box's height is followed along its slope.
_STEEP = 0.5
_LEAST = 0.01  # pixels, points: nothing is scaled to nothing

Projection = Callable[[Point], Point]
"""From pixels of the picture to the units of a PDF page."""


@dataclass(frozen=True)
class Placed:
    """Characters side by side.

    ``start``: their lower left corner, seen upright; ``angle``: of the direction of reading,
    radians, clockwise on the picture; ``length`` and ``height`` in pixels.
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
    shown = [
        _operators(piece, project, font)
        for region in page.regions
        for line, box in zip(region.lines, _boxes(page, region), strict=True)
        for piece in place(page, line, box)
    ]
    if not shown:
        return b""
    # 3 Tr: neither filled nor stroked.
    return "\n".join(["q BT 3 Tr", *shown, "ET Q\n"]).encode("ascii")


def _boxes(page: Page, region: Region) -> Iterator[Box]:
    """Those of the lines; one without a box gets its share of the region or the page."""
    left, top, right, bottom = region.box or (0, 0, page.width, page.height)
    share = (bottom - top) / max(1, len(region.lines))
    for index, line in enumerate(region.lines):
        estimated = (left, round(top + index * share), right, round(top + (index + 1) * share))
        yield line.box or estimated


def place(page: Page, line: Line, box: Box) -> Iterator[Placed]:
    """The words of a line, with a space that fills the gap between each two.

    Each fills its box along the nearest side, also where the line is tilted: few programs find
    words in tilted text. Text that runs from right to left comes in visual order, as it stands,
    which is what extractors expect.
    """
    angle = _angle(page, line)
    side = round(angle / (math.pi / 2)) * (math.pi / 2)
    if line.words and all(word.box for word in line.words):
        words = [
            _filling(cells, _inside(page, word.box), side)
            for word in line.words
            if word.box and (cells := clusters(one_row(word.text).strip()))
        ]
    else:
        words = list(_spread(one_row(line.text).strip(), _inside(page, box), angle, side))
    if words and has_right_to_left(line.text):
        first = words[0]
        words.sort(key=lambda word: first.along(word.start))
    for word, after in pairwise(words):
        yield word
        gap = word.along(after.start) - word.length
        yield replace(word, cells=(" ",), start=word.at(word.length), length=max(gap, _LEAST))
    yield from words[-1:]


def _angle(page: Page, line: Line) -> float:
    """The direction of reading, radians clockwise; that of the page where there is no baseline."""
    if len(line.baseline) > 1:
        (x0, y0), (x1, y1) = line.baseline[0], line.baseline[-1]
        if (x0, y0) != (x1, y1):
            return math.atan2(y1 - y0, x1 - x0)
    return -math.radians(page.orientation)


def _inside(page: Page, box: Box) -> Box:
    """The part on the picture: extractors drop characters beyond the page."""
    left, right = (min(max(x, 0), page.width) for x in (box[0], box[2]))
    top, bottom = (min(max(y, 0), page.height) for y in (box[1], box[3]))
    return left, top, right, bottom


def _filling(cells: list[str], box: Box, side: float) -> Placed:
    """Text that fills a box."""
    width, height = _upright_size(box, side)
    return _centred(cells, ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), side, width, height)


def _upright_size(box: Box, side: float) -> tuple[float, float]:
    """Width and height as read in the direction `side`."""
    width, height = float(box[2] - box[0]), float(box[3] - box[1])
    return (height, width) if abs(math.sin(side)) > 0.5 else (width, height)


def _centred(cells: list[str], middle: Point, side: float, length: float, height: float) -> Placed:
    length, height = max(length, _LEAST), max(height, _LEAST)
    corner = Placed((), middle, side, length, height).at(-length / 2, -height / 2)
    return Placed(tuple(cells[at] for at in visual_order(cells)), corner, side, length, height)


def _spread(text: str, box: Box, angle: float, side: float) -> Iterator[Placed]:
    """The words of a text whose characters share the length of its line evenly."""
    cells = clusters(text)
    if not cells:
        return
    slope = angle - side
    length, height = _upright_size(box, side)
    if length * math.tan(abs(slope)) > _STEEP * height:
        length, height = _tilted_size(length, height, slope)
    else:
        slope = 0.0
    middle = Placed((), ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), side + slope, 0, 0)
    unit = length / len(cells)
    direction = -1 if right_to_left(text) else 1
    start = 0
    for is_space, group in groupby(cells, key=str.isspace):
        word = list(group)
        along = (start + len(word) / 2) * unit - length / 2
        if not is_space:
            yield _centred(word, middle.at(direction * along), side, len(word) * unit, height)
        start += len(word)


def _tilted_size(width: float, height: float, slope: float) -> tuple[float, float]:
    """Of the rectangle at this slope whose upright bounds have this size."""
    cos, sin = math.cos(slope), abs(math.sin(slope))
    length = (width * cos - height * sin) / math.cos(2 * slope)
    size = (height * cos - width * sin) / math.cos(2 * slope)
    return (length, size) if min(length, size) > 0 else (width, height)


def _operators(piece: Placed, project: Projection, font: GlyphlessFont) -> str:
    base = -piece.height * DESCENT / 1000
    origin = project(piece.at(0, base))
    end = project(piece.at(piece.length, base))
    top = project(piece.at(0, base + piece.height))
    size = max(math.dist(origin, top), _LEAST)
    length = max(math.dist(origin, end), _LEAST)
    cos, sin = (end[0] - origin[0]) / length, (end[1] - origin[1]) / length
    # Not by Tz, which pypdf overlooks.
    stretch = length / (len(piece.cells) * ADVANCE / 1000 * size)
    matrix = (cos * stretch, sin * stretch, -sin, cos, *origin)
    return (
        f"/{font.key} {_decimal(size)} Tf {' '.join(map(_decimal, matrix))} Tm"
        f" <{font.encode(piece.cells)}> Tj"
    )


def _decimal(value: float) -> str:
    return f"{value:.5f}".rstrip("0").rstrip(".") if abs(value) > 5e-6 else "0"
