"""Where the letters of a line stand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .strip import BESIDE, ROWS, Strip

WINDOW = 2.0  # heights of the line, in which letters have one foot
MAX_WINDOWS = 100
USUAL = 0.74  # of the height, from above
BODY, BELOW = 0.24, 0.16  # of the height: what is compared above and below a baseline
MAX_DRIFT = 0.22  # of the height, from the whole line's
BEND_WINDOWS = 6  # for fewer the baseline is straight
BEND_POINTS = 7
ROUNDS = 5  # of the robust fit
OUTLIER = 0.05  # of the height: a foot so far off counts half

FloatArray = NDArray[np.float64]


def baseline_of(strip: Strip) -> tuple[FloatArray, FloatArray]:
    """A polyline along the feet of the letters, from left to right, in columns and rows.

    The row below which the ink thins out most, in windows along the line, near that of the whole
    line; a straight line or a parabola through them, outliers left aside.
    """
    edges = strip.windows(WINDOW, MAX_WINDOWS)
    sums = np.add.reduceat(strip.cover, edges[:-1], axis=1).T  # (windows, rows)
    feet, weights = _feet(sums)
    centres = (edges[:-1] + edges[1:]) / 2
    at = np.linspace(0, strip.columns, 2 if len(sums) < BEND_WINDOWS else BEND_POINTS)
    return at, _fitted(centres / strip.columns, feet, weights, at / strip.columns)


def _feet(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """For each window the row of its baseline, and how sure it is (an amount of ink)."""
    total = sums.sum(0)
    rows = np.arange(sums.shape[1] + 1)
    if total.sum() == 0:
        return np.full(len(sums), BESIDE + USUAL * ROWS), np.ones(len(sums))
    usual = np.exp(-((((rows - BESIDE) / ROWS - USUAL) / 0.2) ** 2) / 2)
    whole = int((_falls(total[None])[0] * usual).argmax())
    drift = (rows - whole) / ROWS
    near = np.where(np.abs(drift) <= MAX_DRIFT, 1 - (drift / MAX_DRIFT) ** 2 / 2, 0)
    falls = _falls(sums) * near
    return falls.argmax(1).astype(np.float64), falls.max(1) + 1e-6


def _falls(sums: FloatArray) -> FloatArray:
    """(windows, rows + 1): how much more ink is above an edge than below, never negative."""
    above, below = round(BODY * ROWS), round(BELOW * ROWS)
    upto = np.cumsum(np.pad(sums, ((0, 0), (above + 1, below))), axis=1)
    edges = sums.shape[1] + 1
    edge = upto[:, above : above + edges]
    body = (edge - upto[:, :edges]) / above
    rest = (upto[:, above + below : above + below + edges] - edge) / below
    falls: FloatArray = np.maximum(body - rest, 0)
    return falls


def _fitted(x: FloatArray, y: FloatArray, weights: FloatArray, at: FloatArray) -> FloatArray:
    """A polynomial through most of the points (x from 0 to 1), at the places `at`."""
    degree = 0 if len(x) < 3 else 1 if len(x) < BEND_WINDOWS else 2
    terms = np.vander(x - 0.5, degree + 1)
    trusted = weights
    solution: NDArray[np.floating] = np.zeros(degree + 1)
    for _ in range(ROUNDS):
        root = np.sqrt(trusted)[:, None]
        solution = np.linalg.lstsq(terms * root, y * root[:, 0], rcond=None)[0]
        distance = np.abs(y - terms @ solution)
        trusted = weights / (1 + (distance / (OUTLIER * ROWS)) ** 2)
    fitted: FloatArray = np.vander(at - 0.5, degree + 1) @ solution
    return fitted
