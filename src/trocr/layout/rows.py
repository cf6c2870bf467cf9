"""Boxes of words to lines: pure geometry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..document import Line

BASELINE = 0.22  # of a box's height, from below


def line_polygons(boxes: NDArray[np.float64]) -> tuple[Line, ...]:
    """One line for each group of boxes (boxes, 4, 2) on one row, from top to bottom."""
    lines = []
    for group in _groups(boxes):
        upper = [tuple(map(float, point)) for box in group for point in box[:2]]
        lower = [tuple(map(float, point)) for box in reversed(group) for point in box[2:]]
        feet = [
            box[end] + BASELINE * (box[start] - box[end])
            for box in group
            for start, end in ((0, 3), (1, 2))
        ]
        baseline = tuple((float(x), float(y)) for x, y in feet)
        lines.append(Line("", polygon=(*upper, *lower), baseline=baseline))
    return tuple(lines)


def _groups(boxes: NDArray[np.float64]) -> list[list[NDArray[np.float64]]]:
    groups: list[list[NDArray[np.float64]]] = []
    for box in sorted(boxes, key=lambda box: float(box[:, 0].min())):
        height = box[2:, 1].mean() - box[:2, 1].mean()
        for group in groups:
            last = group[-1]
            last_height = last[2:, 1].mean() - last[:2, 1].mean()
            gap = box[:, 0].min() - last[:, 0].max()
            shift = abs(box[[0, 3], 1].mean() - last[1:3, 1].mean())
            if gap < 1.5 * height and gap > -height and shift < 0.4 * min(height, last_height):
                group.append(box)
                break
        else:
            groups.append([box])
    return sorted(groups, key=lambda group: float(np.mean([box[:, 1].mean() for box in group])))
