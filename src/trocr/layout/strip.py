"""A row of boxes as a level strip of ink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..document import Polygon
from .boxes import TextBox
from .page_ink import Matrix, PageInk

ROWS = 48  # for the height of the row
BESIDE = 12  # rows above and below that
MAX_COLUMNS = 4096

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Strip:
    """A row of text, level, `ROWS` high and `BESIDE` above and below.

    Attributes:
        cover: (`ROWS` + 2 · `BESIDE`, columns), ink from 0 to 1.
        matrix: from the strip to the page.
        top, bottom: (columns,), rows of the upper and lower edge of the boxes.
    """

    cover: FloatArray
    matrix: Matrix
    top: FloatArray
    bottom: FloatArray

    @property
    def columns(self) -> int:
        """Its width."""
        return int(self.cover.shape[1])

    def windows(self, heights: float, most: int) -> NDArray[np.int64]:
        """Edges (windows + 1,) that part the columns into windows so many heights wide."""
        count = max(1, min(most, round(self.columns / ROWS / heights)))
        return np.linspace(0, self.columns, count + 1).astype(np.int64)

    def to_page(self, columns: FloatArray, rows: FloatArray) -> Polygon:
        """Points of the strip in pixels of the page."""
        a, b, c, d, e, f = self.matrix
        x, y = a * columns + b * rows + c, d * columns + e * rows + f
        return tuple(zip(x.tolist(), y.tolist(), strict=True))


def strip_of(row: Sequence[TextBox], ink: PageInk) -> Strip:
    """The strip along the boxes of one line, which come from left to right."""
    left, right = row[0].left, row[-1].right
    height = float(np.average([box.height for box in row], weights=[box.width for box in row]))
    length = max(1.0, float(np.hypot(*(right - left))))
    along = (right - left) / length if right[0] > left[0] else np.array([1.0, 0.0])
    columns = max(1, min(MAX_COLUMNS, round(ROWS * length / height)))
    step_x, step_y = along * length / columns, np.array([-along[1], along[0]]) * height / ROWS
    origin = left - step_y * (ROWS / 2 + BESIDE)
    a, b, c, d, e, f = map(
        float, (step_x[0], step_y[0], origin[0], step_x[1], step_y[1], origin[1])
    )
    cover = ink.sample((a, b, c, d, e, f), columns, ROWS + 2 * BESIDE)
    to_strip = np.linalg.inv(np.array([[a, b], [d, e]])).T
    corners = [(box.corners - (c, f)) @ to_strip for box in row]
    upper = np.concatenate([each[:2] for each in corners])
    lower = np.concatenate([each[[3, 2]] for each in corners])
    at = np.arange(columns) + 0.5
    top, bottom = (np.interp(at, *_ordered(edge).T) for edge in (upper, lower))
    return Strip(cover, (a, b, c, d, e, f), top.clip(0, len(cover)), bottom.clip(0, len(cover)))


def _ordered(edge: FloatArray) -> FloatArray:
    return edge[edge[:, 0].argsort(kind="stable")]
