"""PAGE content to a document, whatever the year of its schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..document import Box, Character, Document, Line, Page, Region, Word, box_of
from .elements import Element, decimal, in_order, polygon

_CUSTOM_TYPE = re.compile(r"structure\s*\{[^}]*type:([^;}]+)")
_POINTS_PER_CENTIMETRE = 2.54


class _Text(NamedTuple):
    text: str
    confidence: float | None


def read(root: Element) -> Document:
    """Its one page.

    Raises:
        ValueError: a number is none, or there is no page.
    """
    page = root.find("Page")
    if page is None:
        raise ValueError("there is no <Page>")
    said = _user_defined(page)
    steps = root.iterfind("Metadata/MetadataItem[@name='recognition']")
    model = next((step.get("value", "") for step in steps), "")
    source = page.get("imageFilename", "")
    return Document((_page(page, source, said),), said.get("source", source), model)


def _page(page: Element, source: str, said: dict[str, str]) -> Page:
    # Clockwise, what makes the lines level: quarter turns, and what remains is the skew.
    correction = decimal(page.get("orientation")) or 0.0
    quarters = round(correction / 90)
    return Page(
        width=int(page.get("imageWidth", "0")),
        height=int(page.get("imageHeight", "0")),
        regions=tuple(_regions(page)),
        number=int(said.get("number", "1")),
        source=source,
        orientation=quarters * 90 % 360,
        skew=round(quarters * 90 - correction, 4) + 0.0,
        dpi=_dpi(page),
        language=said.get("language"),
        image_sha256=said.get("sha256"),
    )


def _dpi(page: Element) -> float | None:
    resolution = decimal(page.get("imageXResolution"))
    unit = page.get("imageResolutionUnit", "PPI")
    if not resolution or unit == "other":
        return None
    return resolution * _POINTS_PER_CENTIMETRE if unit == "PPCM" else resolution


def _user_defined(element: Element) -> dict[str, str]:
    return {
        item.get("name", "").removeprefix("trocr:"): item.get("value", "")
        for item in element.iterfind("UserDefined/UserAttribute")
        if item.get("name", "").startswith("trocr:")
    }


def _regions(page: Element) -> Iterator[Region]:
    """Regions of text and tables in reading order; a region inside another follows it."""
    order = page.find("ReadingOrder")
    names = [] if order is None else list(_references(order))
    for region in in_order(_found(page), "id", names):
        lines = _cells(region) if region.tag == "TableRegion" else region.iterfind("TextLine")
        found = tuple(_line(line) for line in sorted(lines, key=_index))
        if not found:
            found = tuple(Line(row) for row in _text(region).text.splitlines())
        yield Region(found, _coordinates(region), _kind(region))


def _found(parent: Element) -> Iterator[Element]:
    for element in parent:
        if element.tag == "TableRegion":
            yield element
        elif element.tag.endswith("Region"):
            if element.tag == "TextRegion":
                yield element
            yield from _found(element)


def _cells(table: Element) -> Iterator[Element]:
    return (line for cell in table.iter("TextRegion") for line in cell.iterfind("TextLine"))


def _references(group: Element) -> Iterator[str]:
    """The names of regions; where an order is given by index, in that order."""
    for element in sorted(group, key=_index):
        if reference := element.get("regionRef"):
            yield reference
        yield from _references(element)


def _index(element: Element) -> int:
    """Of an indexed element; others stay where they are."""
    return int(element.get("index", "0"))


def _kind(region: Element) -> str:
    if region.tag == "TableRegion":
        return "table"
    named = _CUSTOM_TYPE.search(region.get("custom", ""))
    kind = named[1].strip() if named else region.get("type", "paragraph")
    return "text" if kind == "paragraph" else kind


def _line(line: Element) -> Line:
    words = tuple(_word(word) for word in line.iterfind("Word"))
    text, confidence = _text(line)
    said = _user_defined(line)
    baseline = line.find("Baseline")
    return Line(
        text=text or " ".join(word.text for word in words),
        polygon=_coordinates(line),
        baseline=() if baseline is None else polygon(baseline.get("points")),
        confidence=confidence,
        words=words if all(word.text for word in words) else (),
        finish_reason=said.get("finish_reason", "eos"),
        flags=tuple(said.get("flags", "").split()),
    )


def _word(word: Element) -> Word:
    glyphs = tuple(
        Character(_text(glyph).text, _box(glyph), _text(glyph).confidence)
        for glyph in word.iterfind("Glyph")
    )
    text, confidence = _text(word)
    return Word(text, _box(word), confidence, glyphs)


def _text(element: Element) -> _Text:
    """Of several readings, that of the lowest index."""
    readings = sorted(element.iterfind("TextEquiv"), key=_index)
    if not readings:
        return _Text("", None)
    return _Text(readings[0].findtext("Unicode") or "", decimal(readings[0].get("conf")))


def _coordinates(element: Element) -> tuple[tuple[float, float], ...]:
    """Of an element; before 2013 points were elements of their own."""
    outline = element.find("Coords")
    if outline is None:
        return ()
    older = [f"{point.get('x')},{point.get('y')}" for point in outline.iterfind("Point")]
    return polygon(outline.get("points") or " ".join(older))


def _box(element: Element) -> Box | None:
    points = _coordinates(element)
    return box_of(points) if points else None
