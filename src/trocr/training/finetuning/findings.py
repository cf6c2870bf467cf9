"""What the checks before training say about some lines of a set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...labelled_lines import LabelledLine

_LONGEST = 50  # characters of a label that are quoted


@dataclass(frozen=True)
class Finding:
    """Something that several places of a set have in common.

    Attributes:
        what: in words.
        places: every one of them: a file, a row, a word, with details.
        advice: what can be done about it.
    """

    what: str
    places: list[str]
    advice: str = ""


def found(what: str, places: Iterable[str], advice: str = "") -> list[Finding]:
    """The finding, or none where there is no such place."""
    listed = list(places)
    return [Finding(what, listed, advice)] if listed else []


def quoted(line: LabelledLine) -> str:
    """``images/a.png 'its text'``."""
    shown = line.text if len(line.text) <= _LONGEST else line.text[: _LONGEST - 1] + "…"
    return f"{line.file} {shown!r}"
