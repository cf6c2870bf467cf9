"""What the readers of XML share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from ..document import Polygon

Element = ElementTree.Element


def parse(data: bytes) -> Element:
    """The root, its tags without their namespaces.

    Entities from outside are not loaded, and expat stops those that blow up.

    Raises:
        ParseError: no well-formed XML.
    """
    root = ElementTree.fromstring(data)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def polygon(points: str | None, scale: float = 1) -> Polygon:
    """``x,y x,y`` or ``x y x y`` to points, whole numbers where they are whole.

    Raises:
        ValueError: no numbers, or not two for each point.
    """
    numbers = [float(part) * scale for part in re.split(r"[\s,]+", points or "") if part]
    exact = [round(value) if value == round(value) else value for value in numbers]
    return tuple(zip(exact[::2], exact[1::2], strict=True))


def decimal(value: str | None) -> float | None:
    """A number, or None where there is none."""
    return None if value is None else float(value)


def in_order(elements: Iterable[Element], attribute: str, order: list[str]) -> list[Element]:
    """Elements in the order of their names; those that it does not name stay behind."""
    ranks = {name: rank for rank, name in reversed(list(enumerate(order)))}
    return sorted(elements, key=lambda one: ranks.get(one.get(attribute, ""), len(order)))
