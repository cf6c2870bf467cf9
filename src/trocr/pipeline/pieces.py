"""A line with very wide gaps is read piece by piece: recognizers learn from running text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..layout.crops import Crop
from ..layout.page_ink import FloatArray, PageInk

WIDE_GAP = 2.5  # times the height of the letters without ascenders
MARGIN = 1.0  # times that height, kept at the ends of a piece
BAND = 0.25  # of the ink in the row that has most, in all rows between which letters stand
SPECK = 0.08  # of that height: less ink in a column is none


def pieces_of(crop: Crop, ink: PageInk) -> tuple[Crop, ...]:
    """The crop of a line cut where nothing stands for long.

    Args:
        crop: of a line.
        ink: of the page that it was cut from.

    Returns:
        From left to right; the crop itself where there is no such gap.
    """
    cover = ink.letters.sample(crop.matrix, *crop.image.size)
    rows = cover.sum(axis=1)
    band = np.flatnonzero(rows > BAND * rows.max())
    if not len(band) or not rows.max():
        return (crop,)
    height = int(band[-1] - band[0] + 1)
    spans = list(_spans(cover[band[0] : band[-1] + 1], height))
    if len(spans) < 2:
        return (crop,)
    margin = MARGIN * height
    return tuple(_part(crop, start - margin, end + margin) for start, end in spans)


def _spans(cover: FloatArray, height: int) -> Iterator[tuple[int, int]]:
    """First column and the one after the last, of ink without a wide gap."""
    columns = np.flatnonzero(cover.sum(axis=0) > SPECK * height)
    if len(columns):
        gaps = np.flatnonzero(np.diff(columns) > WIDE_GAP * height)
        for part in np.split(columns, gaps + 1):
            yield int(part[0]), int(part[-1]) + 1


def _part(crop: Crop, start: float, end: float) -> Crop:
    left, right = max(0, round(start)), min(crop.image.width, round(end))
    a, b, c, d, e, f = crop.matrix
    image = crop.image.crop((left, 0, right, crop.image.height))
    return Crop(image, (a, b, c + a * left, d, e, f + d * left))
