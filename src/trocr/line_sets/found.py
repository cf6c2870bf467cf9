"""What the readers of formats hand to the checks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..labelled_lines import SkippedLine

if TYPE_CHECKING:
    from .sources import Source

# Controls but tab and line breaks, surrogates, U+FFFD and what is no character.
CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffd-\uffff]")


@dataclass(frozen=True)
class Candidate:
    """A line whose picture and label were found and not looked at yet.

    Attributes:
        where: the file or row that says so, for messages.
        file: the picture's name in the set.
        image: the encoded picture.
        text: the label as it is written, bytes that are not UTF-8 as lone surrogates.
        page: the page or document; None where only the folder of `file` can tell.
    """

    where: str
    file: str
    image: bytes
    text: str
    page: str | None = None


class Reading(NamedTuple):
    """All that one format found in a source; ``format`` is its name in words."""

    format: str
    found: list[Candidate | SkippedLine]


class Format(NamedTuple):
    """``description`` completes the sentence "A set is ..."."""

    description: str
    read: Callable[[Source], Reading]


def printable(text: str) -> str:
    """The text with escapes for what a terminal or a UTF-8 file would not take."""
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def shortened(text: str) -> str:
    """The text in quotes for a message."""
    return repr(text if len(text) <= 40 else text[:39] + "…")
