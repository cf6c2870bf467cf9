"""How a page lies: its skew, whether its rows stand, whether it is upside down."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..document import Line
from .outlines import axis_of
from .page_ink import BoolArray, box_mean

MAX_SKEW = 45.0

SIDE = 800  # pixels, to which the longer side is reduced before ink is looked at
MIN_SIDE = 100  # less is no page
SURROUNDINGS = 10  # pixels to each side
MIN_CONTRAST = 10.0  # grey levels
RULE = 40  # pixels; a longer run is a ruled line or an edge
GAPS = (6, 10)  # pixels, between letters
MAX_JOINED = 150  # pixels; longer says no more
STRIPS = 4
PIECE = 8  # columns that are shifted together
SLOPES = range(-5, 6)  # degrees
FINE, COARSE = 1, 15  # pixels to each side: waves between these are rows of text
JOINED_WEIGHT = 2.0
UNSURE = 0.5  # the weakest of 80 pages, each at four slopes, gave 1.1

FLOOR = 0.003  # confidences below it are alike
MAX_LETTERS = 20  # a longer line counts no more than this
LEAST_EVIDENCE = 1.8  # for one line, in units of log confidence; for n lines 1 / √n of it each

IntArray = NDArray[np.intp]
Reading = tuple[str, float]
"""A text and its confidence, 0 to 1."""


def skew_of(lines: Sequence[Line]) -> float:
    """Degrees by which the lines fall to the right; negative if they rise, 0.0 if unknown.

    The median of the lines' slopes, each counted by its length. A slope is that of the baseline,
    or of the outline's main axis where there is no baseline. Standing lines do not count, nor do
    outlines that are hardly longer than high.
    """
    axes = [axis for line in lines if (axis := axis_of(line)) and abs(axis[0]) < MAX_SKEW]
    half = sum(length for _, length in axes) / 2
    passed = 0.0
    for degrees, length in sorted(axes):
        passed += length
        if passed >= half:
            return degrees
    return 0.0


def quarter_turn(image: Image.Image) -> int:
    """0 or 90: whether the rows of text run across the picture or up and down.

    Args:
        image: any mode, any size; upside down is as good as upright.

    Two signs decide. Along a row the gaps between strokes are short, so ink joins to long runs
    when short gaps are closed. And rows leave white between them: projected along the rows, at
    the best of several slopes, ink comes in bands. Ruled lines are taken off first. Where the
    signs are weak, the answer is 0.
    """
    ink = _ink(image)
    if min(ink.shape) < MIN_SIDE:
        return 0
    ink &= ~(_long_runs(ink) | _long_runs(ink.T).T)
    return 90 if _lying(ink) < -UNSURE else 0


def _ink(image: Image.Image) -> BoolArray:
    """What is darker than its close surroundings: of dark margins only the edges are left."""
    grey = image.convert("L")
    grey.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    pixels = np.asarray(grey, np.float32)
    ink: BoolArray = box_mean(pixels, SURROUNDINGS, SURROUNDINGS) - pixels > MIN_CONTRAST
    return ink


def _lying(ink: BoolArray) -> float:
    """Positive where rows run across, negative where they stand; turned, the sign changes."""
    standing = np.ascontiguousarray(ink.T)
    # One is added so that a page without ink stands and lies alike.
    evidence = math.log((_bands(ink) + 1) / (_bands(standing) + 1))
    for gap in GAPS:
        ratio = _joined_length(ink, gap) / _joined_length(standing, gap)
        evidence += JOINED_WEIGHT * math.log(ratio)
    return evidence


def _runs(ink: BoolArray) -> tuple[IntArray, IntArray, IntArray]:
    """Row, start and end (just outside) of all runs of ink across, row by row."""
    steps = np.diff(np.pad(ink, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    return rows, starts, np.nonzero(steps == -1)[1]


def _long_runs(ink: BoolArray) -> BoolArray:
    """Ink in runs across that are longer than a stroke of a letter."""
    rows, starts, ends = _runs(ink)
    steps = np.zeros((ink.shape[0], ink.shape[1] + 1), np.int8)
    rows, starts, ends = (each[ends - starts >= RULE] for each in (rows, starts, ends))
    steps[rows, starts] = 1
    steps[rows, ends] = -1
    long: BoolArray = steps.cumsum(1)[:, :-1] > 0
    return long


def _joined_length(ink: BoolArray, gap: int) -> float:
    """How long a run a pixel of ink is in, once gaps up to `gap` are closed: a geometric mean."""
    rows, starts, ends = _runs(ink)
    if not len(rows):
        return 1.0
    apart = np.append((rows[1:] != rows[:-1]) | (starts[1:] - ends[:-1] > gap), True)
    lengths = ends[apart] - starts[np.append(True, apart[:-1])]
    logs = np.log(np.minimum(lengths, MAX_JOINED))
    return math.exp(float((lengths * logs).sum() / lengths.sum()))


def _bands(ink: BoolArray) -> float:
    """How strongly ink, projected along rows strip by strip, goes up and down."""
    height, width = ink.shape
    pieces = width // PIECE
    columns = ink[:, : pieces * PIECE].reshape(height, pieces, PIECE).sum(2)
    per_strip = max(1, pieces // STRIPS)
    offsets = (np.arange(pieces) - pieces / 2) * PIECE
    strongest = 0.0
    for degrees in SLOPES:
        shift = np.round(math.tan(math.radians(degrees)) * offsets).astype(np.intp)
        source = np.arange(height)[:, None] + shift
        inside = (source >= 0) & (source < height)
        level = np.take_along_axis(columns, source.clip(0, height - 1), 0) * inside
        profiles = np.add.reduceat(level, np.arange(0, pieces, per_strip), axis=1)
        profiles = profiles.astype(np.float32)
        waves = box_mean(profiles, 0, FINE) - box_mean(profiles, 0, COARSE)
        strongest = max(strongest, float((waves**2).sum()))
    return strongest


def is_upside_down(upright: Sequence[Reading], turned: Sequence[Reading]) -> bool:
    """Whether lines read clearly better upside down.

    Args:
        upright: the readings of a few lines as they are; five or more are worth their time.
        turned: the readings of the same lines, turned by 180°.

    The evidence is the mean of log(confidence turned / confidence as it is), lines counted by
    their letters and digits; a text without any has no confidence. Where it is weak, and on no
    lines, the answer is False.
    """
    total = weight = 0.0
    count = 0
    for here, there in zip(upright, turned, strict=True):
        letters = min(MAX_LETTERS, max(_letters(here), _letters(there)))
        total += letters * math.log(_trust(there) / _trust(here))
        weight += letters
        count += letters > 0
    return weight > 0 and total / weight * math.sqrt(count) > LEAST_EVIDENCE


def _letters(reading: Reading) -> int:
    return sum(character.isalnum() for character in reading[0])


def _trust(reading: Reading) -> float:
    return FLOOR + (reading[1] if _letters(reading) else 0.0)
