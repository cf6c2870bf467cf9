"""Boxes of words and parts of lines to rows: pure geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .boxes import TextBox

MIN_OVERLAP = 0.6  # of the lower box's height, with its neighbour's in a row
MIN_OVERLAP_FAR = 0.75  # the same, where the gap is wide
WIDE_GAP = 2.0  # heights
MIN_HEIGHT_RATIO = 0.45  # of neighbours of a row
MAX_INTRUSION = 1.0  # heights by which neighbours may run into each other along the row
GUTTER_ROWS = 4  # a white river with fewer lines at a side may be chance
RUNNING_TEXT = 9.0  # heights: many lines at both sides of a gutter are wider
WIDER_LINES = 65  # per cent of the lines at a side that may be narrower
MIN_RIVER = 0.3  # heights: a river is nowhere narrower


@dataclass(frozen=True)
class Gap:
    """The white between two neighbours of a row, by their index."""

    before: int
    after: int
    left: float
    right: float
    middle: float
    height: float


def rows_of(boxes: Sequence[TextBox]) -> list[list[TextBox]]:
    """Boxes that make one line, from left to right; lines from top to bottom.

    Neighbours of a row are joined, however far apart: a receipt's item and its price are one
    line. They stay apart where the white between them is a gutter: a river through many rows,
    with running text at both sides.
    """
    gaps = _gaps(boxes)
    gutters = _gutters(boxes, gaps)
    after = {gap.before: gap.after for gap in gaps if gap not in gutters}
    starts = set(range(len(boxes))) - set(after.values())
    rows = [[boxes[index] for index in _chain(start, after)] for start in starts]
    return sorted(rows, key=lambda row: float(np.mean([box.middle[1] for box in row])))


def _chain(start: int, after: dict[int, int]) -> list[int]:
    chain = [start]
    while chain[-1] in after:
        chain.append(after[chain[-1]])
    return chain


def _gaps(boxes: Sequence[TextBox]) -> list[Gap]:
    """Between boxes that are each other's nearest on a row."""
    if len(boxes) < 2:
        return []
    distances = _distances_on_rows(boxes)
    following, preceding = distances.argmin(1), distances.argmin(0)
    gaps = []
    for before, after in enumerate(following.tolist()):
        if preceding[after] != before or not np.isfinite(distances[before, after]):
            continue
        one, other = boxes[before], boxes[after]
        middle, height = (one.right[1] + other.left[1]) / 2, (one.height + other.height) / 2
        left, right = float(one.right[0]), float(other.left[0])
        gaps.append(Gap(before, after, left, right, float(middle), height))
    return gaps


def _distances_on_rows(boxes: Sequence[TextBox]) -> NDArray[np.float64]:
    """(before, after): pixels from one box to another on its right; infinite where no row."""
    left, right = np.array([box.left for box in boxes]), np.array([box.right for box in boxes])
    height = np.array([box.height for box in boxes])
    width = np.array([box.width for box in boxes])
    slope = np.array([box.slope for box in boxes])
    stands = np.array([box.stands for box in boxes])
    lower, higher = np.minimum.outer(height, height), np.maximum.outer(height, height)
    gap = left[None, :, 0] - right[:, None, 0]
    middle = (left[:, 0] + right[:, 0]) / 2
    ordered = (gap >= -MAX_INTRUSION * lower) & (middle[None] > middle[:, None])
    ordered &= ~np.logical_or.outer(stands, stands)
    # A dash or a full stop is lower than the letters beside it.
    small = np.minimum.outer(width, width) < higher
    alike = lower >= np.where(small, MIN_HEIGHT_RATIO / 2, MIN_HEIGHT_RATIO) * higher
    common = np.add.outer(slope * width, slope * width) / np.add.outer(width, width)
    shift = np.abs(left[None, :, 1] - right[:, None, 1] - common * gap)
    overlap = np.minimum(lower, (lower + higher) / 2 - shift)
    level = overlap > np.where(gap < WIDE_GAP * higher, MIN_OVERLAP, MIN_OVERLAP_FAR) * lower
    distances: NDArray[np.float64] = np.where(ordered & alike & level, gap, np.inf)
    return distances


def _gutters(boxes: Sequence[TextBox], gaps: Sequence[Gap]) -> set[Gap]:
    """Gaps that are parts of a gutter."""
    return {gap for gap in gaps if gap.right > gap.left and _in_gutter(gap, boxes, gaps)}


def _in_gutter(gap: Gap, boxes: Sequence[TextBox], gaps: Sequence[Gap]) -> bool:
    """Whether the river through a gap has many lines of running text at both sides."""
    left, right, top, bottom = _river(gap, boxes)
    beside = [index for index, box in enumerate(boxes) if top < box.middle[1] < bottom]
    inside = set(beside)
    after = {
        each.before: each.after
        for each in gaps
        if {each.before, each.after} <= inside
        and each.right - each.left < each.height
        and not (each.left <= left and right <= each.right)
    }
    widths: tuple[list[float], list[float]] = ([], [])
    for start in inside - set(after.values()):
        chain = [boxes[index] for index in _chain(start, after)]
        height = float(np.mean([box.height for box in chain]))
        side = 0 if chain[-1].middle[0] < left else 1
        widths[side].append(float(chain[-1].right[0] - chain[0].left[0]) / height)
    return all(
        len(side) >= GUTTER_ROWS and np.percentile(side, WIDER_LINES) >= RUNNING_TEXT
        for side in widths
    )


def _river(gap: Gap, boxes: Sequence[TextBox]) -> tuple[float, float, float, float]:
    """The strip of white through a gap, upwards and downwards until a box fills it.

    Returns:
        Its left, right, top and bottom.
    """
    left, right = gap.left, gap.right
    ends = []
    for step in (-1, 1):
        end = step * np.inf
        distances = sorted(
            ((step * float(box.middle[1] - gap.middle), box.corners) for box in boxes),
            key=lambda item: item[0],
        )
        for distance, corners in distances:
            first, last = corners[:, 0].min(), corners[:, 0].max()
            if distance <= 0 or last <= left or first >= right:
                continue
            if max(first - left, right - last) < MIN_RIVER * gap.height:
                end = gap.middle + step * distance
                break
            left, right = (left, first) if first - left > right - last else (last, right)
        ends.append(end)
    return left, right, min(ends), max(ends)
