"""Lines back to rows across the page, and their pieces between wide gaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from ..bidi import right_to_left
from ..document import Box, Line, union
from .characters import one_row

# A gap wider than this share of the words' height parts columns; between words it is about a
# third.
WIDE = 1.0


@dataclass(frozen=True)
class Piece:
    """Words without a wide gap between them."""

    text: str
    box: Box

    @property
    def middle(self) -> float:
        """The height of its centre."""
        return (self.box[1] + self.box[3]) / 2


def rows(lines: Iterable[Line]) -> list[list[Piece]]:
    """Pieces that stand side by side, from left to right; rows from top to bottom.

    Lines must be upright, and those without any box are left out.
    """
    found: list[list[Piece]] = []
    for piece in sorted((p for line in lines for p in pieces(line)), key=lambda p: p.middle):
        if found and _beside(found[-1], piece):
            found[-1].append(piece)
        else:
            found.append([piece])
    return [sorted(row, key=lambda piece: piece.box[0]) for row in found]


def _beside(row: list[Piece], piece: Piece) -> bool:
    last = row[-1].box
    shared = min(last[3], piece.box[3]) - max(last[1], piece.box[1])
    return 2 * shared > min(last[3] - last[1], piece.box[3] - piece.box[1])


def pieces(line: Line) -> Iterator[Piece]:
    """A line cut at its wide gaps; whole where words or boxes are unknown, or run leftwards."""
    if line.box is None or not line.text:
        return
    words = [(word, word.box) for word in line.words if word.box is not None]
    if not words or len(words) < len(line.words) or right_to_left(line.text):
        yield Piece(one_row(line.text), line.box)
        return
    wide = WIDE * median(box[3] - box[1] for _, box in words)
    group = words[:1]
    for word, box in words[1:]:
        if box[0] - group[-1][1][2] > wide:
            yield _piece([(word.text, box) for word, box in group])
            group = []
        group.append((word, box))
    yield _piece([(word.text, box) for word, box in group])


def _piece(words: list[tuple[str, Box]]) -> Piece:
    box = union(box for _, box in words)
    assert box is not None
    return Piece(one_row(" ".join(text for text, _ in words)), box)
