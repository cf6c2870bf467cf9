"""What was read on the crops of a page, back on the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from math import prod

from ..document import Box, Character, Line, Page, Polygon, Region, Word, rectangle
from ..layout.crops import Crop
from ..layout.order import regions_in_order
from ..layout.orientation import skew_of
from ..line_result import LineResult
from ..pages import PageImage
from .draft import Draft

_DIGITS = 4  # of a confidence
_PIXELS = 1  # digits of a coordinate after the point
_REASONS = ("repetition", "length", "eos", "blank")  # of a line, the first that a piece has
_Piece = tuple[Crop, LineResult]


def assembled(draft: Draft, results: Sequence[LineResult]) -> Page:
    """The page of a draft, with the results of its crops in their order.

    Lines without text are left out, unless their boxes were given.
    """
    found = iter(zip(draft.crops, results, strict=True))
    read = (list(islice(found, len(pieces))) for pieces in draft.pieces)
    size = draft.upright.size
    regions = [
        replace(region, lines=tuple(_line(line, next(read), size) for line in region.lines))
        for region in draft.regions
    ]
    lines = [line for region in regions for line in region.lines]
    if not draft.given:
        regions = _in_order([line for line in lines if line.text], size)
    picture = draft.picture
    upright = Page(
        *size,
        regions=tuple(regions),
        number=picture.number,
        source=picture.source,
        skew=round(skew_of([line for line in lines if line.text]), 2),
        dpi=picture.dpi,
    )
    return upright.turned(-draft.turn)


def line_of(draft: Draft, index: int, results: Sequence[LineResult]) -> Line:
    """One line of a draft, counted over all regions, with the results of its pieces.

    Its places are on the page's picture as it came.
    """
    lines = [line for region in draft.regions for line in region.lines]
    pieces = list(zip(draft.pieces[index], results, strict=True))
    size = draft.upright.size
    read = _line(lines[index], pieces, size)
    return next(Page(*size, regions=(Region((read,)),)).turned(-draft.turn).lines)


def page_of_text(picture: PageImage) -> Page:
    """The page of a PDF with the text that it holds."""
    size = picture.image.size
    regions = _in_order(picture.embedded_text or (), size)
    return Page(
        *size,
        regions=tuple(regions),
        number=picture.number,
        source=picture.source,
        dpi=picture.dpi,
    )


def _in_order(lines: Sequence[Line], size: tuple[int, int]) -> list[Region]:
    return list(regions_in_order(lines, *size)) if lines else []


def _line(line: Line, pieces: Sequence[_Piece], size: tuple[int, int]) -> Line:
    """A line is right if all its pieces are."""
    results = [result for _, result in pieces]
    reasons = {result.finish_reason for result in results}
    return replace(
        line,
        text=" ".join(result.text for result in results if result.text),
        polygon=_rounded(line.polygon),
        baseline=_rounded(line.baseline),
        confidence=round(prod(result.confidence for result in results), _DIGITS),
        words=tuple(word for piece in pieces for word in _words(*piece, size)),
        finish_reason=next(reason for reason in _REASONS if reason in reasons),
    )


def _words(crop: Crop, result: LineResult, size: tuple[int, int]) -> Iterator[Word]:
    def cell(item: Word | Character) -> tuple[str, Box | None, float | None]:
        box = None if item.box is None else _on_page(crop, item.box, size)
        sure = None if item.confidence is None else round(item.confidence, _DIGITS)
        return item.text, box, sure

    for word in result.words:
        yield Word(*cell(word), tuple(Character(*cell(each)) for each in word.characters))


def _on_page(crop: Crop, box: Box, size: tuple[int, int]) -> Box:
    """What holds a box of the crop on the page, as far as that reaches."""
    xs, ys = zip(*(crop.to_page(*corner) for corner in rectangle(box)), strict=True)
    left, top, right, bottom = round(min(xs)), round(min(ys)), round(max(xs)), round(max(ys))
    width, height = size
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return left, top, max(min(right, width), left + 1), max(min(bottom, height), top + 1)


def _rounded(points: Sequence[tuple[float, float]]) -> Polygon:
    return tuple((round(x, _PIXELS), round(y, _PIXELS)) for x, y in points)
