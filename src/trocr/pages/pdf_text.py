"""The text that a PDF page holds, where it stands on the drawn page."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..document import Box, Line, Point, Word, rectangle, union

if TYPE_CHECKING:
    from pypdfium2 import PdfPage, PdfTextPage

_LINE_ENDS = (0x0A, 0x0D)
_HYPHENS = (0x02, 0xAD, 0xFFFE)  # what PDFium gives for one at the end of a line


@dataclass(frozen=True)
class _Glyph:
    """A UTF-16 unit; without a place if PDFium added it, as it does for spaces and line ends.

    ``ends_line``: a hyphen behind which PDFium goes on with the next line as if there was no end.
    """

    unit: int
    corners: tuple[Point, Point] | None
    origin: Point
    ends_line: bool


@dataclass(frozen=True)
class _Frame:
    """Maps points of a page (its box, and by how much it is shown turned clockwise) to pixels."""

    box: tuple[float, float, float, float]
    rotation: int
    width: int
    height: int

    def pixel(self, point: Point) -> Point:
        left, bottom, right, top = self.box
        x = (point[0] - left) / (right - left)
        y = (top - point[1]) / (top - bottom)
        for _ in range(self.rotation // 90):
            x, y = 1 - y, x
        return x * self.width, y * self.height

    def pixel_box(self, corners: tuple[Point, Point]) -> Box | None:
        """None if it lies outside of the page."""
        (x0, y0), (x1, y1) = self.pixel(corners[0]), self.pixel(corners[1])
        left, right = max(0, math.floor(min(x0, x1))), min(self.width, math.ceil(max(x0, x1)))
        top, bottom = max(0, math.floor(min(y0, y1))), min(self.height, math.ceil(max(y0, y1)))
        return (left, top, right, bottom) if left < right and top < bottom else None


def embedded_lines(page: PdfPage, width: int, height: int) -> tuple[Line, ...]:
    """The lines of a page, visible or not, in the order of PDFium.

    Args:
        page: as it is, or will be, drawn on `width` × `height` pixels.

    Returns:
        Lines with words; boxes in pixels, as high as the font; no confidence.
    """
    frame = _Frame(page.get_bbox(), page.get_rotation(), width, height)
    text_page = page.get_textpage()
    try:
        rows: list[list[_Glyph]] = [[]]
        for glyph in _glyphs(text_page):
            if glyph.unit not in _LINE_ENDS:
                rows[-1].append(glyph)
            if glyph.unit in _LINE_ENDS or glyph.ends_line:
                rows.append([])
        lines = (_line(row, frame) for row in rows)
        return tuple(line for line in lines if line is not None)
    finally:
        text_page.close()


def _glyphs(text_page: PdfTextPage) -> Iterator[_Glyph]:
    from pypdfium2 import raw

    box = raw.FS_RECTF()
    x, y = ctypes.c_double(), ctypes.c_double()
    for at in range(text_page.count_chars()):
        unit = raw.FPDFText_GetUnicode(text_page, at)
        is_hyphen = unit in _HYPHENS and raw.FPDFText_IsHyphen(text_page, at) == 1
        placed = raw.FPDFText_IsGenerated(text_page, at) != 1
        placed = placed and raw.FPDFText_GetLooseCharBox(text_page, at, box)
        placed = placed and raw.FPDFText_GetCharOrigin(text_page, at, x, y)
        numbers = (box.left, box.bottom, box.right, box.top, x.value, y.value)
        corners = None
        if placed and all(map(math.isfinite, numbers)):
            corners = (numbers[0], numbers[1]), (numbers[2], numbers[3])
        yield _Glyph(ord("-") if is_hyphen else unit, corners, (x.value, y.value), is_hyphen)


def _line(glyphs: list[_Glyph], frame: _Frame) -> Line | None:
    words = []
    for group in _split_at_spaces(glyphs):
        text = _decoded(group)
        box = union(frame.pixel_box(glyph.corners) for glyph in group if glyph.corners)
        if text and box:
            words.append(Word(text, box))
    outline = union(word.box for word in words)
    if outline is None:
        return None
    placed = [glyph for glyph in glyphs if glyph.corners and not _is_space(glyph)]
    start, end = (frame.pixel(placed[at].origin) for at in (0, -1))
    # The last origin is where its glyph begins; the line goes on to where that ends.
    end = (float(outline[2]), end[1]) if end[0] > start[0] and end[1] == start[1] else end
    baseline = (start, end) if start != end else ()
    text = " ".join(word.text for word in words)
    return Line(text, rectangle(outline), baseline, None, tuple(words))


def _split_at_spaces(glyphs: list[_Glyph]) -> Iterator[list[_Glyph]]:
    group: list[_Glyph] = []
    for glyph in glyphs:
        if _is_space(glyph):
            yield group
            group = []
        else:
            group.append(glyph)
    yield group


def _is_space(glyph: _Glyph) -> bool:
    return chr(glyph.unit).isspace()


def _decoded(glyphs: list[_Glyph]) -> str:
    """Control characters and halves of pairs are no text."""
    units = "".join(chr(glyph.unit) for glyph in glyphs)
    text = units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    return "".join(character for character in text if character.isprintable())
