"""Text boxes from the ink alone: no model, numpy and Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .components import Components, IntArray, components_of
from .page_ink import BoolArray, box_mean, ink_of

if TYPE_CHECKING:
    from PIL import Image

MAX_SIDE = 1300  # pixels of the longer side; 10-point text is about 15 pixels high
MIN_LETTER, MAX_LETTER = 4, 100  # pixels: heights of what may be a letter
TALL = 6.0  # letter heights; a higher piece is a frame or a picture
SPECK = 0.25  # letter heights; a smaller piece is dirt, a full stop or the dot of an i
REACH = 0.9  # letter heights to each side, over which a row is smeared
ROW_CONTRAST = 0.03  # cover of ink in a row above that around it
LONG = 8.0  # letter heights; the ink of a shorter row tells no slope
BAND = 1.3  # letter heights to each side of a row's middle, where its letters end
MIN_INK = 0.5  # letter heights squared of ink in a box
MAX_COVER = 0.7  # share of a box that is ink; more is a bar or a picture
EXTENT = 1.5  # per cent of a row's ink, above and below its box
MARGIN = 0.15  # letter heights around the ink

FloatArray = NDArray[np.float64]


def text_boxes(image: Image.Image) -> FloatArray:
    """Quadrilaterals around rows of ink.

    Rules and specks are taken out of the ink; what is left is smeared along the rows, and the
    ridges of that are the middles of lines (steered by the height of the letters on the page).

    Args:
        image: RGB, upright.

    Returns:
        (boxes, 4, 2): corners clockwise from the top left, in pixels of `image`.
    """
    page = ink_of(image, MAX_SIDE)
    pieces = components_of(page.letters.mask)
    high = pieces.heights
    letters = (high >= MIN_LETTER) & (high <= MAX_LETTER) & (pieces.widths < 5 * MAX_LETTER)
    if not letters.any():
        return np.zeros((0, 4, 2))
    height = float(np.median(high[letters]))
    size = np.maximum(high, pieces.widths)
    kept = (high <= TALL * height) & (size > SPECK * height)
    ink = pieces.drawn(kept)
    ridges = components_of(_ridges(ink, height))
    boxes = _boxes(pieces, kept, ridges, height)
    return np.array(boxes, np.float64).reshape(-1, 4, 2) / page.scale


def _ridges(ink: BoolArray, height: float) -> BoolArray:
    """Where there is more ink along the row than above and below it."""
    cover = ink.astype(np.float32)
    along = box_mean(cover, max(1, round(REACH * height)), 0)
    row = box_mean(along, 0, max(1, round(0.2 * height)))
    around = box_mean(along, 0, max(2, round(height)))
    ridges: BoolArray = row > around + ROW_CONTRAST
    return ridges


def _boxes(
    pieces: Components, kept: BoolArray, ridges: Components, height: float
) -> list[FloatArray]:
    """A box around the letters that stand on each ridge."""
    letters = pieces.numbered(np.where(kept, np.arange(len(pieces)) + 1, 0))
    rows = ridges.numbered(np.arange(len(ridges)) + 1)
    y, x = np.nonzero(letters)
    letter, row = letters[y, x] - 1, rows[y, x] - 1
    # A letter stands on the ridge that has most of its ink.
    shared, counts = np.unique(np.stack([letter, row])[:, row >= 0], axis=1, return_counts=True)
    order = counts.argsort()
    home = np.full(len(pieces), -1)
    home[shared[0, order]] = shared[1, order]
    row = home[letter]
    order = np.argsort(row, kind="stable")
    order = order[row[order] >= 0]
    starts = np.flatnonzero(np.diff(row[order], prepend=-1))
    parts = [part for part in np.split(order, starts[1:]) if len(part)]
    long = [part for part in parts if np.ptp(x[part]) > LONG * height]
    slopes = [float(np.polyfit(x[part], y[part], 1)[0]) for part in long]
    usual = float(np.median(slopes)) if slopes else 0.0
    own = dict(zip((int(part[0]) for part in long), slopes, strict=True))
    found = [_box(x[part], y[part], own.get(int(part[0]), usual), height) for part in parts]
    return [box for box in found if box is not None]


def _box(x: IntArray, y: IntArray, slope: float, height: float) -> FloatArray | None:
    """The parallelogram with upright ends around the ink of a row; None if it is no text."""
    left, right = float(x.min()), float(x.max()) + 1
    level = y - slope * x
    middle = np.median(level)
    band = np.abs(level - middle) <= BAND * height
    top, bottom = np.percentile(level[band], (EXTENT, 100 - EXTENT))
    margin = MARGIN * height
    bottom += 1
    if band.sum() < max(MIN_INK * height**2, 0) or bottom - top < 0.5 * height:
        return None
    if band.sum() > MAX_COVER * (right - left) * (bottom - top):
        return None
    ends = np.array([left - margin, right + margin, right + margin, left - margin])
    edges = np.array([top - margin, top - margin, bottom + margin, bottom + margin])
    return np.stack([ends, edges + slope * ends], axis=1)
