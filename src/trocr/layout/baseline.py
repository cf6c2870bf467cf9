"""Where the letters of a line stand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..document import Polygon
from .boxes import TextBox
from .page_ink import Matrix, PageInk

ROWS = 48  # that a line is sampled with
MAX_COLUMNS = 4096
WINDOW = 2.0  # heights of the line, in which letters have one foot
USUAL = 0.74  # of the height, from above
BODY, BELOW = 0.24, 0.16  # of the height: what is compared above and below a baseline
MAX_DRIFT = 0.22  # of the height, from the whole line's
BEND_WINDOWS = 6  # for fewer the baseline is straight

FloatArray = NDArray[np.float64]


def baseline_of(row: list[TextBox], ink: PageInk) -> Polygon:
    """A polyline along the feet of the letters, from left to right.

    The row below which the ink thins out most, in windows along the line, near that of the whole
    line; a straight line or a parabola through them, outliers left aside.

    Args:
        row: the boxes of one line, from left to right.
        ink: of their page.
    """
    left, right = row[0].left, row[-1].right
    height = float(np.average([box.height for box in row], weights=[box.width for box in row]))
    length = max(1.0, float(np.hypot(*(right - left))))
    along = (right - left) / length if right[0] > left[0] else np.array([1.0, 0.0])
    matrix, columns = _frame(left, along, length, height)
    cover = ink.sample(matrix, columns, ROWS)
    windows = max(1, round(length / height / WINDOW))
    edges = np.linspace(0, columns, windows + 1).astype(int)
    sums = np.add.reduceat(cover, edges[:-1], axis=1).T  # (windows, rows)
    feet, weights = _feet(sums)
    centres = (edges[:-1] + edges[1:]) / 2
    at = np.linspace(0, columns, 2 if windows < BEND_WINDOWS else 7)
    rows = _fitted(centres, feet, weights, at, columns)
    a, b, c, d, e, f = matrix
    return tuple(
        (float(a * x + b * y + c), float(d * x + e * y + f)) for x, y in zip(at, rows, strict=True)
    )


def _frame(left: FloatArray, along: FloatArray, length: float, height: float) -> tuple[Matrix, int]:
    """Samples of a line, `ROWS` over its height, to the page; and how many columns it takes."""
    columns = max(1, min(MAX_COLUMNS, round(ROWS * length / height)))
    step_x, step_y = along * length / columns, np.array([-along[1], along[0]]) * height / ROWS
    origin = left - step_y * ROWS / 2
    values = (step_x[0], step_y[0], origin[0], step_x[1], step_y[1], origin[1])
    a, b, c, d, e, f = map(float, values)
    return (a, b, c, d, e, f), columns


def _feet(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """For each window the row of its baseline, and how sure it is (an amount of ink)."""
    total = sums.sum(0)
    usual = np.exp(-(((np.arange(ROWS + 1) / ROWS - USUAL) / 0.2) ** 2) / 2)
    whole = int((_falls(total[None])[0] * usual).argmax())
    if total.sum() == 0:
        return np.full(len(sums), USUAL * ROWS), np.ones(len(sums))
    drift = (np.arange(ROWS + 1) - whole) / ROWS
    near = np.where(np.abs(drift) <= MAX_DRIFT, 1 - (drift / MAX_DRIFT) ** 2 / 2, 0)
    falls = _falls(sums) * near
    return falls.argmax(1).astype(np.float64), falls.max(1) + 1e-6


def _falls(sums: FloatArray) -> FloatArray:
    """How much more ink is above each of the `ROWS` + 1 edges than below, never negative."""
    above, below = round(BODY * ROWS), round(BELOW * ROWS)
    upto = np.cumsum(np.pad(sums, ((0, 0), (above + 1, below))), axis=1)
    edge = upto[:, above : above + ROWS + 1]
    body = (edge - upto[:, : ROWS + 1]) / above
    rest = (upto[:, above + below : above + below + ROWS + 1] - edge) / below
    falls: FloatArray = np.maximum(body - rest, 0)
    return falls


def _fitted(
    x: FloatArray, y: FloatArray, weights: FloatArray, at: FloatArray, columns: int
) -> FloatArray:
    """A polynomial through most of the points, at the places `at`."""
    degree = 0 if len(x) < 3 else 1 if len(x) < BEND_WINDOWS else 2
    trusted = weights.copy()
    terms = np.vander(x / columns - 0.5, degree + 1)
    solution = np.zeros(degree + 1)
    for _ in range(5):
        root = np.sqrt(trusted)[:, None]
        solution = np.linalg.lstsq(terms * root, y * root[:, 0], rcond=None)[0]
        distance = np.abs(y - terms @ solution)
        trusted = weights / (1 + (distance / (0.05 * ROWS)) ** 2)
    fitted: FloatArray = np.vander(at / columns - 0.5, degree + 1) @ solution
    return fitted
