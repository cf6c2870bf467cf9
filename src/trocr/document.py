"""What was read: a `Document` of pages, regions, lines, words and characters.

All geometry is in pixels of the page's picture as it came (its EXIF orientation applied, not
turned by `Page.orientation`, not deskewed), origin at the top left, y downwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from .errors import DataError, UsageError

Box = tuple[int, int, int, int]
"""Left, top, right, bottom; right and bottom are just outside."""
Point = tuple[float, float]
Polygon = tuple[Point, ...]

VERSION = 1
_T = TypeVar("_T")


@dataclass(frozen=True)
class Character:
    """``text``: one character with its marks; ``confidence``: 0 to 1, None where unknown."""

    text: str
    box: Box | None
    confidence: float | None = None


@dataclass(frozen=True)
class Word:
    """``text`` has no spaces; ``confidence``: 0 to 1, None where unknown."""

    text: str
    box: Box | None
    confidence: float | None = None
    characters: tuple[Character, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of text.

    Attributes:
        text: in logical order, also where it is written from right to left.
        polygon: its outline; empty where it is unknown.
        baseline: a polyline from where reading starts if the text runs left to right; empty
            where it is unknown.
        confidence: 0 to 1; None where the source has none.
        words: in reading order; empty where they are unknown.
        finish_reason: why the text ended, as in `trocr.recognizer.LineResult`.
        flags: what to look at, such as ``"several_lines"``.
    """

    text: str
    polygon: Polygon = ()
    baseline: Polygon = ()
    confidence: float | None = None
    words: tuple[Word, ...] = ()
    finish_reason: str = "eos"
    flags: tuple[str, ...] = ()

    @property
    def box(self) -> Box | None:
        """What holds the polygon; without one, what holds the words."""
        if self.polygon:
            return box_of(self.polygon)
        return union(word.box for word in self.words)


@dataclass(frozen=True)
class Region:
    """Lines that belong together, in reading order.

    ``kind``: ``"text"``, ``"heading"``, ``"table"``, ``"marginalia"`` or a type of PAGE's.
    """

    lines: tuple[Line, ...] = ()
    polygon: Polygon = ()
    kind: str = "text"

    @property
    def box(self) -> Box | None:
        """What holds the polygon; without one, what holds the lines."""
        if self.polygon:
            return box_of(self.polygon)
        return union(line.box for line in self.lines)

    @property
    def text(self) -> str:
        """A row for each line that has text."""
        return "\n".join(line.text for line in self.lines if line.text)


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        width, height: of the picture, in pixels.
        regions: in reading order.
        number: of the page in its source, from 1.
        source: the name of the file it came from.
        orientation: 0, 90, 180 or 270, the degrees that the picture has to be turned clockwise
            for the text to be upright.
        skew: degrees by which the lines, once upright, fall to the right; negative if they rise.
        dpi: pixels per inch of the picture.
        language: a BCP 47 tag such as ``"en"``.
        image_sha256: of the picture's file, hexadecimal.
    """

    width: int
    height: int
    regions: tuple[Region, ...] = ()
    number: int = 1
    source: str = ""
    orientation: int = 0
    skew: float = 0.0
    dpi: float | None = None
    language: str | None = None
    image_sha256: str | None = None

    @property
    def lines(self) -> Iterator[Line]:
        """All lines in reading order."""
        return (line for region in self.regions for line in region.lines)

    @property
    def text(self) -> str:
        """A row for each line that has text, an empty row between regions."""
        return "\n\n".join(region.text for region in self.regions if region.text)

    @property
    def confidence(self) -> float | None:
        """The mean of the lines' confidences; None if no line has one."""
        known = [line.confidence for line in self.lines if line.confidence is not None]
        return sum(known) / len(known) if known else None

    def turned(self, degrees: int) -> Page:
        """The page with its picture turned clockwise: other geometry, size and orientation.

        ``page.turned(page.orientation)`` is upright, and ``upright.turned(-degrees)`` goes back.

        Raises:
            UsageError: `degrees` is no multiple of 90.
        """
        if degrees % 90:
            raise UsageError(f"A page cannot be turned by {degrees}°.", "Turn it by 90, 180, 270.")
        page = self
        for _ in range(degrees % 360 // 90):
            page = page._quarter_turned()
        return page

    def _quarter_turned(self) -> Page:
        height = self.height

        def polygon(points: Polygon) -> Polygon:
            return tuple((height - y, x) for x, y in points)

        def box(box: Box | None) -> Box | None:
            return box and (height - box[3], box[0], height - box[1], box[2])

        return replace(
            self,
            width=height,
            height=self.width,
            orientation=(self.orientation - 90) % 360,
            regions=tuple(_moved(region, polygon, box) for region in self.regions),
        )


@dataclass(frozen=True)
class Document:
    """All pages that came from one source.

    ``source``: the path or name given; ``model``: the name of the model that read it.
    """

    pages: tuple[Page, ...] = ()
    source: str = ""
    model: str = ""

    def __iter__(self) -> Iterator[Page]:
        return iter(self.pages)

    def __len__(self) -> int:
        return len(self.pages)

    @property
    def text(self) -> str:
        """The texts of all pages, a form feed between them."""
        return "\f".join(page.text for page in self.pages)


def rectangle(box: Box) -> Polygon:
    """The corners of a box, clockwise from the top left."""
    left, top, right, bottom = box
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def box_of(polygon: Polygon) -> Box:
    """The smallest box that holds a polygon of at least one point."""
    xs, ys = zip(*polygon, strict=True)
    return math.floor(min(xs)), math.floor(min(ys)), math.ceil(max(xs)), math.ceil(max(ys))


def union(boxes: Iterable[Box | None]) -> Box | None:
    """The smallest box that holds all those that are known; None if none is."""
    known = [box for box in boxes if box is not None]
    if not known:
        return None
    lefts, tops, rights, bottoms = zip(*known, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _moved(
    region: Region,
    polygon: Callable[[Polygon], Polygon],
    box: Callable[[Box | None], Box | None],
) -> Region:
    def character(item: Character) -> Character:
        return replace(item, box=box(item.box))

    def word(item: Word) -> Word:
        return replace(item, box=box(item.box), characters=tuple(map(character, item.characters)))

    def line(item: Line) -> Line:
        return replace(
            item,
            polygon=polygon(item.polygon),
            baseline=polygon(item.baseline),
            words=tuple(map(word, item.words)),
        )

    return replace(region, polygon=polygon(region.polygon), lines=tuple(map(line, region.lines)))


def as_dict(document: Document) -> dict[str, Any]:
    """Plain dicts, lists, numbers and strings, as ``docs/document.schema.json`` describes them."""
    return {
        "version": VERSION,
        "source": document.source,
        "model": document.model,
        "pages": [_page_as_dict(page) for page in document.pages],
    }


def _page_as_dict(page: Page) -> dict[str, Any]:
    return {
        "number": page.number,
        "source": page.source,
        "width": page.width,
        "height": page.height,
        "orientation": page.orientation,
        "skew": page.skew,
        "dpi": page.dpi,
        "language": page.language,
        "image_sha256": page.image_sha256,
        "regions": [
            {
                "kind": region.kind,
                "polygon": _lists(region.polygon),
                "lines": [_line_as_dict(line) for line in region.lines],
            }
            for region in page.regions
        ],
    }


def _line_as_dict(line: Line) -> dict[str, Any]:
    return {
        "text": line.text,
        "confidence": line.confidence,
        "finish_reason": line.finish_reason,
        "flags": list(line.flags),
        "polygon": _lists(line.polygon),
        "baseline": _lists(line.baseline),
        "words": [
            {
                **_cell_as_dict(word),
                "characters": [_cell_as_dict(character) for character in word.characters],
            }
            for word in line.words
        ],
    }


def _cell_as_dict(cell: Word | Character) -> dict[str, Any]:
    box = None if cell.box is None else list(cell.box)
    return {"text": cell.text, "confidence": cell.confidence, "box": box}


def _lists(polygon: Polygon) -> list[list[float]]:
    return [list(point) for point in polygon]


def from_dict(data: Mapping[str, Any]) -> Document:
    """The inverse of `as_dict`; keys that it does not know are ignored.

    Raises:
        DataError: another version, or not what `as_dict` gives.
    """
    version = data.get("version") if isinstance(data, Mapping) else None
    if version != VERSION:
        raise DataError(
            f"This is no document of version {VERSION}: its version is {version!r}.",
            "Read what `trocr read --format json` wrote, with the same release.",
        )
    try:
        return Document(_all(_page, data["pages"]), data["source"], data["model"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"This is no document: {type(error).__name__}: {error}.",
            "Compare it with docs/document.schema.json.",
        ) from error


def _all(build: Callable[[Any], _T], items: Iterable[Any]) -> tuple[_T, ...]:
    return tuple(build(item) for item in items)


def _page(data: Mapping[str, Any]) -> Page:
    return Page(
        width=data["width"],
        height=data["height"],
        regions=_all(_region, data["regions"]),
        number=data["number"],
        source=data["source"],
        orientation=data["orientation"],
        skew=data["skew"],
        dpi=data["dpi"],
        language=data["language"],
        image_sha256=data["image_sha256"],
    )


def _region(data: Mapping[str, Any]) -> Region:
    return Region(_all(_line, data["lines"]), _polygon(data["polygon"]), data["kind"])


def _line(data: Mapping[str, Any]) -> Line:
    return Line(
        text=data["text"],
        polygon=_polygon(data["polygon"]),
        baseline=_polygon(data["baseline"]),
        confidence=data["confidence"],
        words=_all(_word, data["words"]),
        finish_reason=data["finish_reason"],
        flags=tuple(data["flags"]),
    )


def _word(data: Mapping[str, Any]) -> Word:
    characters = _all(_character, data["characters"])
    return Word(data["text"], _box(data["box"]), data["confidence"], characters)


def _character(data: Mapping[str, Any]) -> Character:
    return Character(data["text"], _box(data["box"]), data["confidence"])


def _polygon(points: Iterable[Iterable[float]]) -> Polygon:
    return tuple((x, y) for x, y in points)


def _box(box: Iterable[int] | None) -> Box | None:
    if box is None:
        return None
    left, top, right, bottom = box
    return left, top, right, bottom
