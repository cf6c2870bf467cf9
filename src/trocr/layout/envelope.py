"""The outline of a line: its boxes, drawn in to its ink."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..document import Polygon
from .strip import ROWS, Strip

WINDOW = 1.0  # heights of the line
MAX_WINDOWS = 40
INK = 1.0  # pixels of ink that a row of a window needs
BODY_TOP, BODY_BOTTOM = 0.42, 0.08  # of the height, above and below the baseline: always inside
MAX_GAP = 0.14  # of the height, between a letter and its dot
MARGIN = 0.1  # of the height, around the ink

FloatArray = NDArray[np.float64]


def envelope_of(strip: Strip, baseline: tuple[FloatArray, FloatArray]) -> Polygon:
    """Clockwise from the top left, in pixels of the page.

    In windows along the line, the outline follows the ink up and down from the body of the
    letters to the first gap, and never leaves the boxes.
    """
    edges = strip.windows(WINDOW, MAX_WINDOWS)
    centres = (edges[:-1] + edges[1:]) / 2
    feet = np.interp(centres, *baseline)
    inked = np.add.reduceat(strip.cover, edges[:-1], axis=1).T >= INK
    tops, bottoms = feet - BODY_TOP * ROWS, feet + BODY_BOTTOM * ROWS
    for window, rows in enumerate(inked):
        tops[window] -= _reach(rows[: max(0, round(tops[window]))][::-1])
        bottoms[window] += _reach(rows[max(0, round(bottoms[window])) :])
    margin = MARGIN * ROWS
    highest, lowest = (
        np.array([pick(part) for part in np.split(edge, edges[1:-1])])
        for edge, pick in ((strip.top, np.min), (strip.bottom, np.max))
    )
    tops = np.minimum(np.maximum(_widest(tops - margin, np.minimum), highest), lowest - 2)
    bottoms = np.maximum(np.minimum(_widest(bottoms + margin, np.maximum), lowest), tops + 2)
    places = np.concatenate([[0], centres, [strip.columns]])
    upper = strip.to_page(places, np.pad(tops, 1, "edge"))
    lower = strip.to_page(places, np.pad(bottoms, 1, "edge"))
    return (*upper, *reversed(lower))


def _reach(inked: NDArray[np.bool_]) -> int:
    """Rows from the first one to the last ink before a gap."""
    reach = 0
    for row in np.flatnonzero(inked).tolist():
        if row - reach > MAX_GAP * ROWS:
            break
        reach = row + 1
    return reach


def _widest(values: FloatArray, pick: np.ufunc) -> FloatArray:
    """Each value, or its neighbour's that reaches further."""
    padded = np.pad(values, 1, "edge")
    widest: FloatArray = pick(pick(padded[:-2], padded[2:]), values)
    return widest
