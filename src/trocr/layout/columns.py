"""Upright gaps that part columns, and margins with notes, from each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..document import Line, Polygon
from .outlines import LevelLine, level

# Lengths are in median line heights, aspects are width over height of a line.
TOLERANCE = 0.75  # how far outlines may reach into a gap
MIN_GUTTER = 0.7
MIN_COLUMN_LINES = 3
MIN_BLOCK_LINES = 2
MIN_PARTED_LINES = 8  # fewer words above each other may be chance
MIN_WORDS_ASPECT = 4.0  # about ten characters: more than a price
COLUMN_ASPECT = 6.0
PROSE_ASPECT = 8.0
PROSE_FILL = 0.75  # of a long line's width, that most lines of running text have
MIN_BODY_LINES = 6
MAX_NOTES = 0.4  # of the body's lines
MAX_NOTE_WIDTH = 0.6  # of the body's width
MIN_ADDRESS_GAP = 1.5
MIN_DATE_ASPECT = 6.0
SAME_ROW = 0.3
ALIGNED_SHARE = 0.65
LONELY_GAP = 1.5  # above a heading or a page number that belongs to no column

FloatArray = NDArray[np.float64]
Indices = NDArray[np.intp]
Kind = Literal["columns", "right first", "notes on the left", "notes on the right"]


@dataclass(frozen=True)
class Split:
    """What lies above a gap, to its left and right, and below."""

    kind: Kind
    above: list[LevelLine]
    left: list[LevelLine]
    right: list[LevelLine]
    below: list[LevelLine]


@dataclass(frozen=True)
class _Band:
    """The lines beside a gap between two lines that cross it."""

    left: Indices
    right: Indices
    top: float  # where both sides have lines
    bottom: float


def parted(outlines: Sequence[Polygon], degrees: float) -> list[list[int]]:
    """Group the parts of lines so that no gap between columns of text runs through a group.

    Args:
        outlines: of words or parts of lines, none empty.
        degrees: by which the rows fall to the right.

    Returns:
        Indices of the outlines, each in one group. Parts of one row of a receipt or of a table
        share a group.
    """
    lines = [Line("", outline) for outline in outlines]
    numbers = {id(line): index for index, line in enumerate(lines)}
    levelled = [part for line in lines if (part := level(line, degrees, 0, 0))]
    if not levelled:
        return []
    unit = median(part.height for part in levelled)
    return [sorted(numbers[id(part.line)] for part in group) for group in _parted(levelled, unit)]


def _parted(lines: Sequence[LevelLine], unit: float) -> Iterator[Sequence[LevelLine]]:
    split = Gaps(lines, unit).best() if lines else None
    if split is None or min(len(split.left), len(split.right)) < MIN_PARTED_LINES:
        if lines:
            yield lines
        return
    for part in (split.above, split.left, split.right, split.below):
        yield from _parted(part, unit)


class Gaps:
    """The gaps between `lines`."""

    def __init__(self, lines: Sequence[LevelLine], unit: float) -> None:
        self._lines = sorted(lines, key=lambda line: (line.middle, line.left))
        self._unit = unit
        names = ("left", "right", "top", "bottom", "middle", "height", "width", "aspect")
        columns = [[getattr(line, name) for name in names] for line in self._lines]
        table = np.array(columns, np.float64).reshape(-1, len(names)).T
        self._x0, self._x1, self._y0, self._y1, self._middle, self._height = table[:6]
        self._width, self._aspect = table[6:]

    def best(self) -> Split | None:
        """The gap that parts most text; None if the lines are one column, or rows of a table."""
        best: tuple[Kind, _Band] | None = None
        best_score = 0.0
        for x in self._candidates():
            for band in self._bands(x):
                score = (band.bottom - band.top) * min(len(band.left), len(band.right))
                if score > best_score and (kind := self._kind(band)):
                    best, best_score = (kind, band), score
        return best and self._split(*best)

    def _candidates(self) -> Iterator[float]:
        """Where lines end, and not two where one will do."""
        last = -np.inf
        for x in np.sort(self._x1)[:-1]:
            if x - last >= TOLERANCE * self._unit:
                last = float(x)
                yield last

    def _bands(self, x: float) -> Iterator[_Band]:
        reach = TOLERANCE * self._unit
        on_left, on_right = self._x1 <= x + reach, self._x0 >= x - reach
        on_right &= ~on_left
        number = np.cumsum(~(on_left | on_right))
        lefts = np.bincount(number[on_left], minlength=len(number) + 1)
        rights = np.bincount(number[on_right], minlength=len(number) + 1)
        enough = (np.minimum(lefts, rights) >= 1) & (lefts + rights > MIN_COLUMN_LINES)
        for index in np.flatnonzero(enough):
            inside = number == index
            band = self._trimmed(*(np.flatnonzero(inside & side) for side in (on_left, on_right)))
            if band is not None:
                yield band

    def _trimmed(self, left: Indices, right: Indices) -> _Band | None:
        """The band without lines that stand alone above or below one of its sides."""
        top = max(self._y0[left].min(), self._y0[right].min())
        bottom = min(self._y1[left].max(), self._y1[right].max())
        left, right = (self._without_lonely(side, top, bottom) for side in (left, right))
        if not len(left) or not len(right):
            return None
        top = max(self._y0[left].min(), self._y0[right].min())
        bottom = min(self._y1[left].max(), self._y1[right].max())
        return _Band(left, right, float(top), float(bottom)) if top < bottom else None

    def _without_lonely(self, side: Indices, top: float, bottom: float) -> Indices:
        gaps = self._y0[side[1:]] - self._y1[side[:-1]]
        wide = gaps > LONELY_GAP * self._unit
        starts = np.flatnonzero(wide & (self._y1[side[:-1]] < top)) + 1
        ends = np.flatnonzero(wide & (self._y0[side[1:]] > bottom)) + 1
        start = starts[-1] if len(starts) else 0
        return side[start : ends[0] if len(ends) else len(side)]

    def _kind(self, band: _Band) -> Kind | None:
        left, right = band.left, band.right
        if self._is_notes(left, body=right):
            return "notes on the left"
        if self._is_notes(right, body=left):
            return "notes on the right"
        gutter = self._x0[right].min() - self._x1[left].max()
        if gutter >= MIN_ADDRESS_GAP * self._unit and 1 in (len(left), len(right)):
            return self._kind_beside_block(left, right)
        beside = [self._beside(side, band) for side in (left, right)]
        if gutter < MIN_GUTTER * self._unit or min(map(len, beside)) < MIN_BLOCK_LINES:
            return None
        small = min(map(len, beside)) < MIN_COLUMN_LINES
        if not small and all(map(self._is_prose, beside)):
            return "columns"
        usual, least = (np.min, MIN_WORDS_ASPECT) if small else (np.median, COLUMN_ASPECT)
        if min(usual(self._aspect[side]) for side in beside) < least:
            return None
        return None if self._is_aligned(*beside) else "columns"

    def _kind_beside_block(self, left: Indices, right: Indices) -> Kind | None:
        """One line, such as a date, beside an address, which stays together."""
        single, block = sorted((left, right), key=len)
        words = self._aspect[single[0]] >= MIN_DATE_ASPECT
        words &= np.median(self._aspect[block]) >= MIN_WORDS_ASPECT
        tight = self._y0[block[1:]] - self._y1[block[:-1]] < self._unit
        if len(block) < MIN_COLUMN_LINES or not words or not tight.all():
            return None
        if single is right:
            return "columns"
        return "columns" if self._middle[single[0]] < self._y1[block[0]] else "right first"

    def _beside(self, side: Indices, band: _Band) -> Indices:
        middles = self._middle[side]
        inside: Indices = side[(middles > band.top) & (middles < band.bottom)]
        return inside

    def _is_prose(self, side: Indices) -> bool:
        """Whether most lines are about as long as the longest."""
        widths = self._width[side]
        fill = np.median(widths) / np.percentile(widths, 90)
        return bool(np.median(self._aspect[side]) >= PROSE_ASPECT and fill >= PROSE_FILL)

    def _is_notes(self, side: Indices, body: Indices) -> bool:
        """Whether one side is a margin with few short lines, the other running text."""
        if len(body) < MIN_BODY_LINES or len(side) > MAX_NOTES * len(body):
            return False
        room = self._x1[body].max() - self._x0[body].min()
        taken = self._x1[side].max() - self._x0[side].min()
        middles = self._middle[side]
        outside = (middles < self._y0[body].min()) | (middles > self._y1[body].max())
        if taken > MAX_NOTE_WIDTH * room or outside.any():
            return False
        return self._is_prose(body)

    def _is_aligned(self, left: Indices, right: Indices) -> bool:
        """Whether the lines of the emptier side stand on rows of the fuller one."""
        few, many = sorted((left, right), key=len)
        apart = np.abs(self._middle[few][:, None] - self._middle[many])
        nearest = apart.argmin(1)
        height = np.minimum(self._height[few], self._height[many][nearest])
        return bool((apart.min(1) <= SAME_ROW * height).mean() >= ALIGNED_SHARE)

    def _split(self, kind: Kind, band: _Band) -> Split:
        start = min(band.left[0], band.right[0])
        end = max(band.left[-1], band.right[-1]) + 1
        return Split(
            kind,
            above=self._lines[:start],
            left=[self._lines[index] for index in band.left],
            right=[self._lines[index] for index in band.right],
            below=self._lines[end:],
        )
