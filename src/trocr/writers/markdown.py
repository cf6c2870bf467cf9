"""Markdown: headings, paragraphs, tables; recognised text never becomes markup."""

from __future__ import annotations

import re

from ..document import Document, Page, Region
from .characters import one_row
from .options import Options
from .rows import Piece, rows

_MARKUP = re.compile(r"([\\`*_\[\]<>#|~&$])")
_BLOCK_START = re.compile(r"^(?:(\d{1,9})([.)])(?=\s|$)|([-+=]))")


def render(document: Document, options: Options) -> str:
    """A block for each region, each line on a row of its own, a rule between pages."""
    return "\n---\n\n".join(map(_page, document))


def _page(page: Page) -> str:
    upright = page.turned(page.orientation)
    return "\n".join(block for block in map(_block, upright.regions) if block)


def _block(region: Region) -> str:
    texts = [one_row(line.text).strip() for line in region.lines]
    rows = [escaped(text) for text in texts if text]
    if not rows:
        return ""
    if region.kind == "heading":
        return f"## {' '.join(rows)}\n"
    if region.kind == "table" and (table := _table(region)):
        return table
    mark = "> " if region.kind == "marginalia" else ""
    return "".join(f"{mark}{row}\n" for row in rows)


def escaped(text: str) -> str:
    """The Markdown that shows `text`."""
    return _BLOCK_START.sub(_escaped_start, _MARKUP.sub(r"\\\1", text))


def _escaped_start(match: re.Match[str]) -> str:
    number, delimiter, mark = match.groups()
    return f"{number}\\{delimiter}" if number else f"\\{mark}"


def _table(region: Region) -> str:
    """A pipe table, the first row as its head; empty where there is but one column."""
    if any(line.text and line.box is None for line in region.lines):
        return ""
    found = rows(region.lines)
    columns = _columns([piece for row in found for piece in row])
    if len(columns) < 2:
        return ""
    cells = [
        [
            " ".join(escaped(p.text) for p in row if start <= p.box[0] < end)
            for start, end in columns
        ]
        for row in found
    ]
    return "".join(
        f"| {' | '.join(row)} |\n" for row in [cells[0], ["---"] * len(columns), *cells[1:]]
    )


def _columns(pieces: list[Piece]) -> list[tuple[int, int]]:
    """From left to right, stretches that some piece covers."""
    columns: list[tuple[int, int]] = []
    for piece in sorted(pieces, key=lambda piece: piece.box[0]):
        left, right = piece.box[0], max(piece.box[2], piece.box[0] + 1)
        if columns and left < columns[-1][1]:
            columns[-1] = columns[-1][0], max(columns[-1][1], right)
        else:
            columns.append((left, right))
    return columns
