"""How the reading of a page is scored against its true lines, and where its words were lost.

Texts are scored as one string a page: lines in order, every run of white space one space.

* CER: edits over true characters, lines of both sides in their own order.
* CER in any order: the same, summed over *groups* of true and read lines that cover each other;
  the order of groups does not count, for true orders are sometimes doubtful. Lines are in one
  group if they share at least half of the smaller one's area; parts of one row go left to right.
* word F1: words between white space, compared exactly, as one bag a page.

Words are lost in groups without a line read (not found), in groups of lines on several rows
(merged or split wrongly), or else misread; words read in groups without a true line are extra.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field

import numpy as np
from line_matching import Counts, compare, on_one_row, outline, shared_areas
from PIL import Image
from rapidfuzz.distance import Levenshtein
from shapely.geometry.base import BaseGeometry

from trocr.document import Line
from trocr.layout.crops import cut

MIN_SHARED = 0.5  # of the smaller line's area, for two lines to be in one group


@dataclass(frozen=True)
class Group:
    """Lines that cover each other; ``several_rows`` if they are not parts of one row."""

    truth: str
    read: str
    several_rows: bool


@dataclass(frozen=True)
class Tally:
    """Sums over pages.

    Attributes:
        characters, words, words_read: of the truth, of the truth, and that were read.
        edits, edits_any_order: characters inserted, deleted, replaced.
        words_right: in both bags.
        not_found, merged, misread: true words lost, by cause.
        extra: words read where there is no true line.
        seconds: of CPU.
        lines: what was found.
    """

    pages: int = 0
    characters: int = 0
    edits: int = 0
    edits_any_order: int = 0
    words: int = 0
    words_read: int = 0
    words_right: int = 0
    not_found: int = 0
    merged: int = 0
    misread: int = 0
    extra: int = 0
    seconds: float = 0.0
    lines: Counts = field(default_factory=Counts)

    def __add__(self, other: Tally) -> Tally:
        *sums, lines = zip(self._values(), other._values(), strict=True)
        return Tally(*map(sum, sums), lines[0] + lines[1])

    def _values(self) -> tuple[object, ...]:
        return (*astuple(self)[:-1], self.lines)

    def scores(self) -> dict[str, float]:
        """Percentages, and seconds a page."""
        characters, words = max(self.characters, 1), max(self.words, 1)
        return {
            "cer": 100 * self.edits / characters,
            "cer_any_order": 100 * self.edits_any_order / characters,
            "word_f1": 200 * self.words_right / max(self.words + self.words_read, 1),
            "not_found": 100 * self.not_found / words,
            "merged": 100 * self.merged / words,
            "misread": 100 * self.misread / words,
            "extra": 100 * self.extra / words,
            **self.lines.scores(),
            "seconds_per_page": self.seconds / max(self.pages, 1),
        }


def tally(
    image: Image.Image,
    truth: Sequence[Line],
    read: Sequence[Line],
    *,
    ignore_case: bool = False,
    seconds: float = 0.0,
) -> Tally:
    """Score one page; ``image`` is its picture in RGB, all lines are in its pixels."""
    true_text, text = (
        _folded((line.text for line in lines), ignore_case) for lines in (truth, read)
    )
    true_words, words = Counter(true_text.split()), Counter(text.split())
    lost = Counter[str]()
    edits = 0
    for group in groups(truth, read):
        ours, theirs = (_folded([side], ignore_case) for side in (group.read, group.truth))
        edits += Levenshtein.distance(ours, theirs)
        missing = (Counter(theirs.split()) - Counter(ours.split())).total()
        if not theirs:
            lost["extra"] += len(ours.split())
        elif not ours:
            lost["not_found"] += missing
        else:
            lost["merged" if group.several_rows else "misread"] += missing
    outlined = [line for line in read if line.polygon]
    return Tally(
        pages=1,
        characters=len(true_text),
        edits=Levenshtein.distance(text, true_text),
        edits_any_order=edits,
        words=true_words.total(),
        words_read=words.total(),
        words_right=(true_words & words).total(),
        seconds=seconds,
        lines=compare(
            [outline(line.polygon) for line in truth],
            outlined,
            [cut(image, line) for line in outlined],
        ),
        **lost,
    )


def _folded(texts: Sequence[str] | Iterator[str], ignore_case: bool) -> str:
    text = " ".join(" ".join(texts).split())
    return text.lower() if ignore_case else text


def groups(truth: Sequence[Line], read: Sequence[Line]) -> list[Group]:
    """All lines of a page, parted into those that cover each other."""
    outlines = [[outline(line.polygon) for line in lines] for lines in (truth, read)]
    areas = [np.array([item.area for item in items]) for items in outlines]
    smaller = np.minimum(areas[0].reshape(-1, 1), areas[1].reshape(1, -1))
    linked = (smaller > 0) & (shared_areas(*outlines) >= MIN_SHARED * smaller)
    return [_group(truth, read, outlines, *members) for members in _components(linked)]


def _group(
    truth: Sequence[Line],
    read: Sequence[Line],
    outlines: Sequence[Sequence[BaseGeometry]],
    rows: list[int],
    columns: list[int],
) -> Group:
    one_row = all(
        on_one_row([items[i] for i in members])
        for items, members in zip(outlines, (rows, columns), strict=True)
    )
    if one_row:
        rows.sort(key=lambda i: outlines[0][i].bounds[:1])
        columns.sort(key=lambda i: outlines[1][i].bounds[:1])
    true_text, text = " ".join(truth[i].text for i in rows), " ".join(read[i].text for i in columns)
    return Group(true_text, text, not one_row)


def _components(linked: np.ndarray) -> Iterator[tuple[list[int], list[int]]]:
    """Of the graph whose edges are the true entries: its rows and columns, ascending."""
    todo, columns_left = set(range(linked.shape[0])), set(range(linked.shape[1]))
    while todo:
        rows, columns, edge = set[int](), set[int](), {min(todo)}
        while edge:
            rows |= edge
            columns |= set(linked[sorted(edge)].any(0).nonzero()[0].tolist())
            edge = set(linked[:, sorted(columns)].any(1).nonzero()[0].tolist()) - rows
        todo -= rows
        columns_left -= columns
        yield sorted(rows), sorted(columns)
    yield from (([], [column]) for column in sorted(columns_left))
