"""What the XML formats share: trees to text, coordinates and confidences as attributes."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

from ..document import Box, Polygon
from .characters import for_xml

Element = ElementTree.Element


def child(
    parent: Element, tag: str, attributes: Mapping[str, str] | None = None, text: str = ""
) -> Element:
    """A new last child; forbidden characters of its values and its text are replaced."""
    values = {name: for_xml(value) for name, value in (attributes or {}).items()}
    element = ElementTree.SubElement(parent, tag, values)
    if text:
        element.text = for_xml(text)
    return element


def to_text(root: Element, doctype: str = "") -> str:
    """A file with its declaration; with a doctype, empty elements end as HTML parsers want."""
    body = ElementTree.tostring(root, encoding="unicode", short_empty_elements=not doctype)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{doctype}{body}\n'


def number(value: float) -> str:
    """At most four decimals, and none where it is whole."""
    return f"{round(value, 4) + 0.0:.4f}".rstrip("0").rstrip(".")


def points(polygon: Polygon) -> str:
    """``x,y x,y``"""
    return " ".join(f"{number(x)},{number(y)}" for x, y in polygon)


def sides(box: Box) -> dict[str, int]:
    """``left``, ``top``, ``width`` and ``height``."""
    left, top, right, bottom = box
    return {"left": left, "top": top, "width": right - left, "height": bottom - top}
