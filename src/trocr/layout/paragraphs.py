"""One column's lines to rows, and rows to paragraphs, headings and tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from .outlines import LevelLine

# Lengths are in median line heights.
SAME_ROW = 0.5  # of the lower line's height, between the middles of neighbours in a row
OVERLAP = 0.5  # sideways, that neighbours in a row may have
SIDEWAYS = 0.1  # how much less a step to the side weighs than one up or down
WIDE_GAP = 0.45  # beyond the usual gap between rows: another paragraph
INDENT = 1.0
MARGIN = 0.75  # how well rows keep to the margin
STEADY = 0.5  # of all rows start there
MAX_INDENT = 10.0
FULL = 75  # per cent of the rows that end before the margin
RAGGED = 4.0  # by which a full row may end before it
HEADING = 1.4
MAX_HEADING_ROWS = 3
LOOSE = 0.05  # how much nearer than usual its neighbours may come
MIN_GAPS = 4
MIN_TABLE_ROWS = 3
MAX_ROWS_BETWEEN = 2  # rows of one cell inside a table
MAX_TABLE_GAP = 2.0  # between rows of one table
SAME_EDGE = 0.75


@dataclass(frozen=True)
class Row:
    """Lines side by side, from left to right."""

    cells: tuple[LevelLine, ...]

    @property
    def left(self) -> float:
        return self.cells[0].left

    @property
    def right(self) -> float:
        return self.cells[-1].right

    @property
    def top(self) -> float:
        return min(cell.top for cell in self.cells)

    @property
    def bottom(self) -> float:
        return max(cell.bottom for cell in self.cells)

    @property
    def middle(self) -> float:
        return sum(cell.middle for cell in self.cells) / len(self.cells)

    @property
    def height(self) -> float:
        return median(cell.height for cell in self.cells)


@dataclass(frozen=True)
class Block:
    """Rows that belong together; ``kind`` as in `trocr.document.Region`."""

    rows: tuple[Row, ...]
    kind: str = "text"

    @property
    def left(self) -> float:
        return min(row.left for row in self.rows)

    @property
    def right(self) -> float:
        return max(row.right for row in self.rows)

    @property
    def top(self) -> float:
        return self.rows[0].middle - self.rows[0].height / 2

    @property
    def bottom(self) -> float:
        return self.rows[-1].middle + self.rows[-1].height / 2


def rows_of(lines: Sequence[LevelLine], unit: float) -> list[Row]:
    """Every line in one row, rows from top to bottom; `unit` is the usual height of a line.

    Neighbours are linked, the closest first, so a row may drift but never forks.
    """
    lines = sorted(lines, key=lambda line: (line.left, line.middle))
    follower: dict[int, int] = {}
    led: set[int] = set()
    for left, right in _neighbours(lines, unit):
        if left not in follower and right not in led:
            follower[left] = right
            led.add(right)
    rows = []
    for index in range(len(lines)):
        if index not in led:
            chain = [index]
            while chain[-1] in follower:
                chain.append(follower[chain[-1]])
            rows.append(Row(tuple(lines[i] for i in chain)))
    return sorted(rows, key=lambda row: (row.middle, row.left))


def _neighbours(lines: Sequence[LevelLine], unit: float) -> Iterator[tuple[int, int]]:
    """Indices of lines that may be neighbours in a row, the likeliest first."""
    left, right, middle, height = (
        np.array([getattr(line, name) for line in lines])
        for name in ("left", "right", "middle", "height")
    )
    apart = np.abs(middle[:, None] - middle)
    gap = left - right[:, None]
    near = apart <= SAME_ROW * np.minimum(height[:, None], height)
    first, second = np.nonzero(near & (gap >= -OVERLAP * unit) & (left > left[:, None]))
    cost = apart[first, second] + SIDEWAYS * np.maximum(gap[first, second], 0)
    for index in np.lexsort((second, first, cost)):
        yield int(first[index]), int(second[index])


def blocks_of(rows: Sequence[Row], unit: float, usual_gap: float) -> list[Block]:
    """Tables, headings and paragraphs, from top to bottom.

    Args:
        unit: the usual height of a line.
        usual_gap: between one row and the next, where these rows are too few to tell.
    """
    blocks = []
    for kind, part in _tables(rows, unit):
        if kind == "table":
            blocks.append(Block(tuple(part), kind))
        else:
            blocks += _paragraphs(part, unit, usual_gap)
    return blocks


def _tables(rows: Sequence[Row], unit: float) -> Iterator[tuple[str, Sequence[Row]]]:
    """Runs of rows, each with its kind, ``"table"`` or ``"text"``."""
    several = [index for index, row in enumerate(rows) if len(row.cells) > 1]
    groups: list[list[int]] = []
    for index in several:
        if groups and _goes_on(rows, groups[-1][-1], index, unit):
            groups[-1].append(index)
        else:
            groups.append([index])
    done = 0
    for group in groups:
        if len(group) >= MIN_TABLE_ROWS:
            start, end = group[0], group[-1] + 1
            if done < start:
                yield "text", rows[done:start]
            yield "table", rows[start:end]
            done = end
    if done < len(rows):
        yield "text", rows[done:]


def _goes_on(rows: Sequence[Row], last: int, index: int, unit: float) -> bool:
    between = max(gaps(rows[last : index + 1]))
    if index - last > MAX_ROWS_BETWEEN + 1 or between > MAX_TABLE_GAP * unit:
        return False
    shared = sum(
        any(_aligned(one, other, unit) for other in rows[last].cells) for one in rows[index].cells
    )
    return shared >= min(2, len(rows[index].cells))


def _aligned(one: LevelLine, other: LevelLine, unit: float) -> bool:
    apart = min(abs(one.left - other.left), abs(one.right - other.right))
    return apart <= SAME_EDGE * unit


def gaps(rows: Sequence[Row]) -> list[float]:
    """Between each row and the next, from the thickness about their middles."""
    return [
        lower.middle - upper.middle - (lower.height + upper.height) / 2
        for upper, lower in pairwise(rows)
    ]


def _paragraphs(rows: Sequence[Row], unit: float, usual_gap: float) -> list[Block]:
    between = gaps(rows)
    usual = median(between) if len(between) >= MIN_GAPS else usual_gap
    large = _headings(rows, between, unit, usual)
    steady = _keeps_to_the_margin(rows, unit)
    parts: list[list[int]] = [[0]]
    for index in range(1, len(rows)):
        if (
            between[index - 1] > usual + WIDE_GAP * unit
            or large[index] != large[index - 1]
            or _apart(rows[index - 1], rows[index])
            or (steady and _is_indented(rows, index, unit))
        ):
            parts.append([])
        parts[-1].append(index)
    return [
        Block(
            tuple(rows[index] for index in part),
            "heading" if large[part[0]] and len(part) <= MAX_HEADING_ROWS else "text",
        )
        for part in parts
    ]


def _apart(upper: Row, lower: Row) -> bool:
    """Whether no part of one stands above the other, as with a date above an address."""
    return upper.left >= lower.right or lower.left >= upper.right


def _headings(
    rows: Sequence[Row], between: Sequence[float], unit: float, usual: float
) -> list[bool]:
    """Which rows are large, and not just loosely outlined: then they would reach into others."""
    room = [math.inf, *between, math.inf]
    return [
        row.height >= HEADING * unit and min(before, after) >= usual - LOOSE * unit
        for row, before, after in zip(rows, room, room[1:], strict=False)
    ]


def _keeps_to_the_margin(rows: Sequence[Row], unit: float) -> bool:
    """Whether most rows start at the same place."""
    lefts = np.array([row.left for row in rows])
    together = np.abs(lefts[:, None] - lefts) <= MARGIN * unit
    return bool(together.sum(0).max() >= STEADY * len(rows))


def _is_indented(rows: Sequence[Row], index: int, unit: float) -> bool:
    """Whether a full row starts further right than those above and below, as a paragraph does."""
    margin = float(np.percentile([row.right for row in rows], FULL))
    if index + 1 == len(rows) or rows[index].right < margin - RAGGED * unit:
        return False
    here, above, below = rows[index].left, rows[index - 1].left, rows[index + 1].left
    return INDENT * unit <= here - below <= MAX_INDENT * unit and INDENT * unit <= here - above
