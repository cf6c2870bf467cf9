"""ALTO 4.4 (what is written is valid under 4.3 as well): Library of Congress, ns-v4."""

from __future__ import annotations

import unicodedata
from itertools import count
from xml.etree import ElementTree

from .. import __version__
from ..bidi import right_to_left
from ..document import Box, Character, Document, Line, Page, Polygon, Word, rectangle
from .markup import Element, child, number, points, sides, to_text
from .options import Options
from .tsv import words_of

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
_SCHEMA = "http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def render(document: Document, options: Options) -> str:
    """One file of all pages.

    ALTO has no confidence of a line: that of its words remains. Regions' kinds, flags and reasons
    are tags; a page's orientation, skew, resolution and hash are settings of a processing step.
    """
    root = ElementTree.Element(
        "alto",
        {
            "xmlns": NAMESPACE,
            "xmlns:xsi": _XSI,
            "xsi:schemaLocation": f"{NAMESPACE} {_SCHEMA}",
            "SCHEMAVERSION": "4.4",
        },
    )
    _description(root, document)
    tags = _Tags(root)
    layout = child(root, "Layout")
    for index, page in enumerate(document, start=1):
        _page(layout, page, index, tags)
    if not document.pages:  # the schema wants a page
        child(layout, "Page", {"ID": "page_0", "PHYSICAL_IMG_NR": "0"})
    tags.finish()
    ElementTree.indent(root, " ")
    return to_text(root)


def _description(root: Element, document: Document) -> None:
    description = child(root, "Description")
    child(description, "MeasurementUnit", text="pixel")
    image = child(description, "sourceImageInformation")
    child(image, "fileName", text=document.source)
    reading = child(description, "Processing", {"ID": "recognition"})
    child(reading, "processingCategory", text="contentGeneration")
    child(reading, "processingStepSettings", text=f"model={document.model}")
    software = child(reading, "processingSoftware")
    child(software, "softwareName", text="trocr")
    child(software, "softwareVersion", text=__version__)
    for index, page in enumerate(document, start=1):
        step = child(description, "Processing", {"ID": f"page_{index}_picture"})
        child(step, "processingCategory", text="preOperation")
        child(step, "processingStepSettings", text=_settings(page))


def _settings(page: Page) -> str:
    known = {
        "orientation": page.orientation,
        "skew": number(page.skew),
        "dpi": page.dpi and number(page.dpi),
        "sha256": page.image_sha256,
        "source": page.source,  # last: it may hold spaces
    }
    return " ".join(f"{name}={value}" for name, value in known.items() if value is not None)


class _Tags:
    """Tags by type and label, each defined once."""

    def __init__(self, root: Element) -> None:
        self._root = root
        self._element = child(root, "Tags")
        self._ids: dict[tuple[str, str], str] = {}

    def id_of(self, kind: str, label: str) -> str:
        """The ID of the tag that says so."""
        if (kind, label) not in self._ids:
            self._ids[kind, label] = name = f"tag_{len(self._ids) + 1}"
            element = "StructureTag" if kind == "region" else "OtherTag"
            child(self._element, element, {"ID": name, "TYPE": kind, "LABEL": label})
        return self._ids[kind, label]

    def finish(self) -> None:
        """Leave no empty element."""
        if not self._ids:
            self._root.remove(self._element)


def _page(layout: Element, page: Page, index: int, tags: _Tags) -> None:
    size = {"WIDTH": str(page.width), "HEIGHT": str(page.height)}
    attributes = {
        "ID": f"page_{index}",
        "PHYSICAL_IMG_NR": str(page.number),
        "PROCESSINGREFS": f"recognition page_{index}_picture",
        **size,
    }
    if page.confidence is not None:
        attributes["PC"] = number(page.confidence)
    element = child(layout, "Page", attributes)
    space = child(element, "PrintSpace", {"HPOS": "0", "VPOS": "0", **size})
    lines, words = count(1), count(1)
    for number_, region in enumerate(page.regions, start=1):
        attributes = {"ID": f"block_{index}_{number_}", **_position(region.box)}
        attributes["TAGREFS"] = tags.id_of("region", region.kind)
        if page.orientation:
            attributes["ROTATION"] = str(page.orientation)
        if page.language:
            attributes["LANG"] = page.language
        block = child(space, "TextBlock", attributes)
        _shape(block, region.polygon, region.box)
        for line in region.lines:
            _line(block, line, f"{index}_{next(lines)}", words, tags)


def _line(block: Element, line: Line, name: str, words: count[int], tags: _Tags) -> None:
    attributes = {"ID": f"line_{name}", **_position(line.box)}
    if line.baseline:
        attributes["BASELINE"] = points(line.baseline)
    if right_to_left(line.text):
        attributes["BASEDIRECTION"] = "rtl"
    said = [tags.id_of("flag", flag) for flag in line.flags]
    if line.finish_reason != "eos":
        said.append(tags.id_of("finish_reason", line.finish_reason))
    if said:
        attributes["TAGREFS"] = " ".join(said)
    element = child(block, "TextLine", attributes)
    _shape(element, line.polygon, line.box)
    # The schema wants a String, also in a line without text.
    for index, word in enumerate(words_of(line) or (Word("", line.box),)):
        if index:
            child(element, "SP")
        _string(element, word, f"string_{name.split('_')[0]}_{next(words)}")


def _string(line: Element, word: Word, name: str) -> None:
    attributes = {"ID": name, "CONTENT": word.text, **_position(word.box)}
    if word.confidence is not None:
        attributes["WC"] = number(word.confidence)
    element = child(line, "String", attributes)
    # A Glyph is one code point: a word with a character that is more has none.
    texts = [unicodedata.normalize("NFC", character.text) for character in word.characters]
    if all(len(text) == 1 for text in texts):
        for text, character in zip(texts, word.characters, strict=True):
            child(element, "Glyph", _glyph(text, character))


def _glyph(text: str, character: Character) -> dict[str, str]:
    attributes = {"CONTENT": text, **_position(character.box)}
    if character.confidence is not None:
        attributes["GC"] = number(character.confidence)
    return attributes


def _position(box: Box | None) -> dict[str, str]:
    if box is None:
        return {}
    names = {"left": "HPOS", "top": "VPOS", "width": "WIDTH", "height": "HEIGHT"}
    return {names[side]: str(value) for side, value in sides(box).items()}


def _shape(element: Element, polygon: Polygon, box: Box | None) -> None:
    """The outline, unless it is just the box."""
    if polygon and box and polygon != rectangle(box):
        child(child(element, "Shape"), "Polygon", {"POINTS": points(polygon)})
