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
GUTTER_ROWS = 4  # a white river through fewer rows may be chance
RUNNING_TEXT = 9.0  # heights: lines at both sides of a gutter are wider
ROW_PITCH = 4.0  # heights between two rows that a river joins, at most


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
    lower, higher = np.minimum.outer(height, height), np.maximum.outer(height, height)
    gap = left[None, :, 0] - right[:, None, 0]
    middle = (left[:, 0] + right[:, 0]) / 2
    ordered = (gap >= -MAX_INTRUSION * lower) & (middle[None] > middle[:, None])
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
    ordered = sorted((gap for gap in gaps if gap.right > gap.left), key=lambda gap: gap.middle)
    found: set[Gap] = set()
    for first in range(len(ordered)):
        river = _river(ordered[first:], boxes)
        if len(river) >= GUTTER_ROWS and _between_running_text(river, boxes, gaps):
            found.update(river)
    return found


def _river(gaps: Sequence[Gap], boxes: Sequence[TextBox]) -> list[Gap]:
    """Gaps below the first one that share a strip of white with it, no box in between."""
    river = [gaps[0]]
    left, right = gaps[0].left, gaps[0].right
    for gap in gaps[1:]:
        last = river[-1]
        if gap.middle - last.middle > ROW_PITCH * max(gap.height, last.height):
            break
        shared = max(left, gap.left), min(right, gap.right)
        if shared[1] - shared[0] < 0.3 * gap.height or gap.middle <= last.middle:
            continue
        if any(_blocks(box, shared, last.middle, gap.middle) for box in boxes):
            break
        river.append(gap)
        left, right = shared
    return river


def _blocks(box: TextBox, strip: tuple[float, float], top: float, bottom: float) -> bool:
    across = min(box.right[0], strip[1]) - max(box.left[0], strip[0])
    return bool(across >= strip[1] - strip[0] and top < box.middle[1] < bottom)


def _between_running_text(
    river: Sequence[Gap], boxes: Sequence[TextBox], gaps: Sequence[Gap]
) -> bool:
    narrow = [gap for gap in gaps if gap not in river and gap.right - gap.left < gap.height]
    after = {gap.before: gap.after for gap in narrow}
    before = {gap.after: gap.before for gap in narrow}

    def width(indices: list[int]) -> float:
        chain = [boxes[index] for index in indices]
        extent = max(box.right[0] for box in chain) - min(box.left[0] for box in chain)
        return float(extent / np.mean([box.height for box in chain]))

    left = [width(_chain(gap.before, before)) for gap in river]
    right = [width(_chain(gap.after, after)) for gap in river]
    return min(float(np.median(left)), float(np.median(right))) >= RUNNING_TEXT
