"""PAGE content, 2019-07-15, of PRImA: one page a file."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from xml.etree import ElementTree

from .. import __version__
from ..bidi import right_to_left
from ..document import Box, Character, Document, Line, Page, Polygon, Region, Word, rectangle
from .markup import Element, child, number, points, to_text
from .options import Options

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
# What its schema calls a text region besides "paragraph" and "other".
_TYPES = {"heading", "caption", "header", "footer", "page-number", "drop-capital", "credit"}
_TYPES |= {"floating", "signature-mark", "catch-word", "marginalia", "footnote"}
_TYPES |= {"footnote-continued", "endnote", "TOC-entry", "list-label"}


def render(document: Document, options: Options) -> str:
    """One page; coordinates are whole pixels inside the picture, as the schema wants.

    Reasons and flags of lines, and of the page its number, language and hash, are user-defined
    attributes. A word or line without a box has that of what holds it.
    """
    [page] = document.pages
    root = ElementTree.Element(
        "PcGts",
        {
            "xmlns": NAMESPACE,
            "xmlns:xsi": _XSI,
            "xsi:schemaLocation": f"{NAMESPACE} {NAMESPACE}/pagecontent.xsd",
        },
    )
    _metadata(root, document)
    element = child(root, "Page", _page_attributes(page))
    if page.regions:
        order = child(element, "ReadingOrder")
        group = child(order, "OrderedGroup", {"id": "reading_order"})
        for index in range(len(page.regions)):
            reference = {"index": str(index), "regionRef": f"region_{index + 1}"}
            child(group, "RegionRefIndexed", reference)
    values = {"number": str(page.number), "language": page.language, "sha256": page.image_sha256}
    _user_defined(element, {"source": document.source, **values})
    outline = _Outline(page)
    for index, region in enumerate(page.regions, start=1):
        _region(element, region, index, outline)
    ElementTree.indent(root, " ")
    return to_text(root)


def _metadata(root: Element, document: Document) -> None:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = child(root, "Metadata")
    child(metadata, "Creator", text=f"trocr {__version__}")
    child(metadata, "Created", text=now)
    child(metadata, "LastChange", text=now)
    step = {"type": "processingStep", "name": "recognition", "value": document.model}
    child(metadata, "MetadataItem", step)


def _page_attributes(page: Page) -> dict[str, str]:
    attributes = {
        "imageFilename": page.source,
        "imageWidth": str(page.width),
        "imageHeight": str(page.height),
    }
    if page.dpi:
        resolution = number(page.dpi)
        attributes |= {"imageXResolution": resolution, "imageYResolution": resolution}
        attributes["imageResolutionUnit"] = "PPI"
    if page.orientation or page.skew:
        # Clockwise, what makes the lines level: from -180, exclusive, to 180.
        attributes["orientation"] = number(180 - (180 - (page.orientation - page.skew)) % 360)
    if page.confidence is not None:
        attributes["conf"] = number(page.confidence)
    return attributes


class _Outline:
    """Polygons and boxes to whole coordinates inside the picture."""

    def __init__(self, page: Page) -> None:
        self._width, self._height = page.width, page.height
        self.whole: Box = (0, 0, page.width, page.height)

    def add(self, parent: Element, tag: str, polygon: Polygon) -> None:
        """An element with these points; one alone is doubled, for the schema wants two."""
        inside = tuple(
            (min(max(round(x), 0), self._width), min(max(round(y), 0), self._height))
            for x, y in polygon
        )
        child(parent, tag, {"points": points(inside * 2 if len(inside) == 1 else inside)})


def _region(page: Element, region: Region, index: int, outline: _Outline) -> None:
    box = region.box or outline.whole
    name = f"region_{index}"
    polygon = region.polygon or rectangle(box)
    if region.kind == "table":
        table = child(page, "TableRegion", {"id": name})
        outline.add(table, "Coords", polygon)
        page, name = table, f"{name}_cells"
    element = child(page, "TextRegion", {"id": name, **_type(region.kind)})
    outline.add(element, "Coords", polygon)
    for number_, line in enumerate(region.lines, start=1):
        _line(element, line, f"{name}_line_{number_}", box, outline)
    if region.text:
        child(child(element, "TextEquiv"), "Unicode", text=region.text)


def _type(kind: str) -> dict[str, str]:
    """The schema's type; another kind is named the way Transkribus does."""
    if kind == "table":
        return {}
    if kind in ("text", "paragraph"):
        return {"type": "paragraph"}
    if kind in _TYPES:
        return {"type": kind}
    named = re.sub(r"[{};:]", " ", kind)
    return {"type": "other", "custom": f"structure {{type:{named};}}"}


def _line(region: Element, line: Line, name: str, box: Box, outline: _Outline) -> None:
    attributes = {"id": name}
    if right_to_left(line.text):
        attributes["readingDirection"] = "right-to-left"
    element = child(region, "TextLine", attributes)
    box = line.box or box
    outline.add(element, "Coords", line.polygon or rectangle(box))
    if len(line.baseline) > 1:
        outline.add(element, "Baseline", line.baseline)
    for index, word in enumerate(line.words, start=1):
        _word(element, word, f"{name}_word_{index}", box, outline)
    _text(element, line)
    reason = line.finish_reason if line.finish_reason != "eos" else None
    flags = " ".join(line.flags) or None
    _user_defined(element, {"finish_reason": reason, "flags": flags})


def _word(line: Element, word: Word, name: str, box: Box, outline: _Outline) -> None:
    element = child(line, "Word", {"id": name})
    box = word.box or box
    outline.add(element, "Coords", rectangle(box))
    for index, character in enumerate(word.characters, start=1):
        glyph = child(element, "Glyph", {"id": f"{name}_glyph_{index}"})
        outline.add(glyph, "Coords", rectangle(character.box or box))
        _text(glyph, character)
    _text(element, word)


def _text(parent: Element, item: Line | Word | Character) -> None:
    known = item.confidence is not None
    attributes = {"conf": number(item.confidence)} if known else {}  # type: ignore[arg-type]
    child(child(parent, "TextEquiv", attributes), "Unicode", text=item.text)


def _user_defined(parent: Element, values: dict[str, str | None]) -> None:
    known = {name: value for name, value in values.items() if value is not None}
    if not known:
        return
    element = child(parent, "UserDefined")
    for name, value in known.items():
        attributes = {"name": f"trocr:{name}", "type": "xsd:string", "value": value}
        child(element, "UserAttribute", attributes)
