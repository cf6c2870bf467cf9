"""Where one line ends and the next begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from ..document import Line
from .page_ink import FloatArray, PageInk

SHARES = np.linspace(0.1, 0.6, 26)  # of the way from a baseline to the next, where a seam may be
USUAL = 0.3  # of that way: below the descenders
BIAS = 0.05  # cover of ink that a seam takes rather than be at an unusual place
LEAST_PITCH = 0.35  # of the lines' height; closer baselines are of one row
SAMPLES = 400  # along a seam, at most


def parted(lines: Sequence[Line], ink: PageInk) -> tuple[Line, ...]:
    """The lines, with outlines that do not reach beyond the seam between them and another line.

    A seam runs along the baselines of two lines above each other, where there is least ink.

    Args:
        lines: each with a baseline, and an outline whose first half is its upper edge.
        ink: of their page.
    """
    outlines = [np.array(line.polygon) for line in lines]
    baselines = [np.array(line.baseline) for line in lines]
    frames = [(*outline.min(0), *outline.max(0)) for outline in outlines]
    for one, other in combinations(range(len(lines)), 2):
        left, right = _shared(frames[one][::2], frames[other][::2])
        top, bottom = _shared(frames[one][1::2], frames[other][1::2])
        if left >= right or top >= bottom:
            continue
        x = np.linspace(left, right, int(min(right - left, SAMPLES)) + 2)
        first, second = (np.interp(x, *baselines[each].T) for each in (one, other))
        upper, lower = (one, other) if first.mean() <= second.mean() else (other, one)
        heights = (frames[each][3] - frames[each][1] for each in (one, other))
        if np.abs(second - first).min() < LEAST_PITCH * min(heights):
            continue
        seam = _seam(x, np.minimum(first, second), np.maximum(first, second), ink)
        _clip(outlines[upper], slice(len(outlines[upper]) // 2, None), x, seam, np.minimum)
        _clip(outlines[lower], slice(None, len(outlines[lower]) // 2), x, seam, np.maximum)
    return tuple(
        replace(line, polygon=tuple((float(x), float(y)) for x, y in outline))
        for line, outline in zip(lines, outlines, strict=True)
    )


def _shared(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    return max(one[0], other[0]), min(one[1], other[1])


def _seam(x: FloatArray, upper: FloatArray, lower: FloatArray, ink: PageInk) -> FloatArray:
    """How far down the emptiest path between two baselines is at `x`."""
    rows, columns = ink.mask.shape
    y = upper + SHARES[:, None] * (lower - upper)
    down = (y * ink.scale).astype(np.int64).clip(0, rows - 1)
    across = (x * ink.scale).astype(np.int64).clip(0, columns - 1)
    cover = ink.mask[down, across].mean(1)
    around = np.convolve(np.pad(cover, 1, "edge"), (0.25, 0.5, 0.25), "valid")
    seam: FloatArray = y[(around + BIAS * np.abs(SHARES - USUAL)).argmin()]
    return seam


def _clip(
    outline: FloatArray, half: slice, x: FloatArray, seam: FloatArray, pick: np.ufunc
) -> None:
    """Draw half of an outline in to the seam, as far as that goes."""
    points = outline[half]
    near = (points[:, 0] >= x[0]) & (points[:, 0] <= x[-1])
    points[near, 1] = pick(points[near, 1], np.interp(points[near, 0], x, seam))
