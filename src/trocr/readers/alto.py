"""ALTO 2 to 4 to a document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..document import (
    Box,
    Character,
    Document,
    Line,
    Page,
    Polygon,
    Region,
    Word,
    rectangle,
    union,
)
from ..errors import DataError
from .elements import Element, decimal, in_order, polygon

_UNITS_PER_INCH = {"mm10": 254.0, "inch1200": 1200.0}
_SETTING = re.compile(
    r"(orientation|skew|dpi|sha256|source)=(.*?)(?= (?:skew|dpi|sha256|source)=|$)"
)
_SPACES = ("TopMargin", "LeftMargin", "PrintSpace", "RightMargin", "BottomMargin")


def read(root: Element, dpi: float | None) -> Document:
    """All pages of the file.

    Raises:
        DataError: it measures in another unit than pixels, and `dpi` is None.
        ValueError: a number is none.
    """
    scale = _scale(root, dpi)
    source = root.findtext("Description/sourceImageInformation/fileName") or ""
    settings = {
        step.get("ID", ""): step.findtext("processingStepSettings") or ""
        for step in root.iterfind("Description/Processing")
    }
    model = settings.get("recognition", "")
    tags = {tag.get("ID", ""): tag for tag in root.iterfind("Tags/*")}
    order = [
        name
        for group in root.iterfind("ReadingOrder")
        for reference in group.iter("ElementRef")
        for name in reference.get("REF", "").split()
    ]
    pages = [
        _page(page, scale, source, settings, tags, order)
        for page in root.iterfind("Layout/Page")
        if page.get("ID") != "page_0"  # what a document without pages is written with
    ]
    name = model.removeprefix("model=") if model.startswith("model=") else ""
    return Document(tuple(pages), source, name)


def _scale(root: Element, dpi: float | None) -> float:
    unit = root.findtext("Description/MeasurementUnit") or "pixel"
    if unit == "pixel":
        return 1
    if unit not in _UNITS_PER_INCH:
        raise ValueError(f"the unit {unit!r}")
    if dpi is None:
        raise DataError(f"The ALTO file measures in {unit}.", "Give the DPI of its picture.")
    return dpi / _UNITS_PER_INCH[unit]


def _page(
    page: Element,
    scale: float,
    source: str,
    settings: Mapping[str, str],
    tags: Mapping[str, Element],
    order: list[str],
) -> Page:
    steps = page.get("PROCESSINGREFS", "").split()
    said = dict(_SETTING.findall(" ".join(settings.get(step, "") for step in steps)))
    spaces = [space for name in _SPACES for space in page.iterfind(name)]
    blocks = [pair for space in spaces for pair in _blocks(space)]
    kinds = {id(block): kind for block, kind in blocks}
    found = in_order((block for block, _ in blocks), "ID", order)
    regions = tuple(_region(block, kinds[id(block)], scale, tags) for block in found)
    bounds = union(region.box for region in regions) or (0, 0, 0, 0)
    languages = {block.get("LANG") for block in found} - {None}
    orientation = decimal(said.get("orientation")) or decimal(page.get("ROTATION")) or 0
    return Page(
        width=round(float(page.get("WIDTH", bounds[2] / scale)) * scale),
        height=round(float(page.get("HEIGHT", bounds[3] / scale)) * scale),
        regions=regions,
        number=max(1, round(float(page.get("PHYSICAL_IMG_NR", "1")))),
        source=said.get("source", source),
        orientation=round(orientation / 90) * 90 % 360,
        skew=decimal(said.get("skew")) or 0.0,
        dpi=decimal(said.get("dpi")),
        language=page.get("LANG") or (languages.pop() if len(languages) == 1 else None),
        image_sha256=said.get("sha256"),
    )


def _blocks(space: Element, kind: str = "text") -> Iterator[tuple[Element, str]]:
    """The blocks of text, and of what kind the blocks around them are."""
    for block in space:
        if block.tag == "TextBlock":
            yield block, kind
        elif block.tag == "ComposedBlock":
            yield from _blocks(block, block.get("TYPE", kind))


def _region(block: Element, kind: str, scale: float, tags: Mapping[str, Element]) -> Region:
    lines = tuple(_line(line, scale, tags) for line in block.iterfind("TextLine"))
    referred = [tags[name] for name in block.get("TAGREFS", "").split() if name in tags]
    kind = referred[0].get("LABEL") or kind if referred else kind
    return Region(lines, _outline(block, scale), kind)


def _line(line: Element, scale: float, tags: Mapping[str, Element]) -> Line:
    strings = line.findall("String")
    words = tuple(_word(string, scale) for string in strings)
    text = " ".join(word.text for word in words)
    hyphen = line.find("HYP")
    if hyphen is not None:
        text += hyphen.get("CONTENT", "")
    confidence = None
    if len(words) == 1 and (" " in text or not text):  # the whole line, its words unknown
        confidence, words = words[0].confidence, ()
    referred = [tags[name] for name in line.get("TAGREFS", "").split() if name in tags]
    reasons = [tag.get("LABEL", "") for tag in referred if tag.get("TYPE") == "finish_reason"]
    return Line(
        text=text,
        polygon=_outline(line, scale),
        baseline=_baseline(line, scale),
        confidence=confidence,
        words=words,
        finish_reason=reasons[0] if reasons else "eos",
        flags=tuple(tag.get("LABEL", "") for tag in referred if tag.get("TYPE") == "flag"),
    )


def _baseline(line: Element, scale: float) -> Polygon:
    """Points; before ALTO 4.2, the height alone."""
    value = line.get("BASELINE", "")
    if len(value.split()) != 1 or "," in value:
        return polygon(value, scale)
    box = _box(line, scale)
    height = float(value) * scale
    return ((box[0], height), (box[2], height)) if box else ()


def _word(string: Element, scale: float) -> Word:
    glyphs = tuple(
        Character(glyph.get("CONTENT", ""), _box(glyph, scale), decimal(glyph.get("GC")))
        for glyph in string.iterfind("Glyph")
    )
    text = string.get("CONTENT", "")
    return Word(text, _box(string, scale), decimal(string.get("WC")), glyphs)


def _outline(element: Element, scale: float) -> Polygon:
    shape = element.find("Shape/Polygon")
    if shape is not None:
        return polygon(shape.get("POINTS"), scale)
    box = _box(element, scale)
    return rectangle(box) if box else ()


def _box(element: Element, scale: float) -> Box | None:
    values = [element.get(name) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
    known = [float(value) * scale for value in values if value is not None]
    if len(known) < len(values):
        return None
    left, top, width, height = known
    return round(left), round(top), round(left + width), round(top + height)
