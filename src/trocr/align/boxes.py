"""Boxes of characters from where they roughly stand and the ink of the line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..document import Box
from ..line_image import Placement, normalize_ink

INK_LEVEL = 0.4  # of the way from paper to full ink
INK_HEIGHT = 64  # rows that a taller picture is reduced to, at least
SPECK = 0.05  # of the line's height: the side of a square that is no ink yet
EDGE = 0.04  # of the line's height: as near to an edge is cut off by it
APART = 0.2  # of the line's height: between the line and a piece that is of another one
RULE_LENGTH = 2.5  # of the rows that count, at least; no letter has a stroke as long
RULE_THICKNESS = 0.08  # of these rows, at most
WHOLE_WORD = 0.8  # share of a connected piece in one word, above which all of it is
WHOLE_CHARACTER = 0.6  # the same in one character
REACH = 0.8  # line heights from the middle of a character to the farthest ink that can be its own
BARE = 0.15  # line heights to both sides of the middle of a character without ink
SHIFTS = np.linspace(-0.25, 0.25, 21)  # of all middles together, in line heights
LIKELY_SHIFT = 0.07  # line heights
STRAY = 0.7  # how far a boundary strays before that counts as a stroke cut, in distances of middles

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Ink:
    """Pixels of ink of one line, in pixels of a picture that is ``factor`` times as small.

    Attributes:
        rows, columns: (pixels,).
        pieces: (pixels,) the number of the connected piece that each belongs to, from 0.
        size: (width, height) of the small picture.
        whole_size: of the whole picture.
        top, bottom: of the ink that is part of the line, at the middle column.
        slope: rows by which the line falls from one column to the next.
        factor: pixels of the whole picture along one side of a small one.
    """

    rows: IntArray
    columns: IntArray
    pieces: IntArray
    size: tuple[int, int]
    whole_size: tuple[int, int]
    top: float
    bottom: float
    slope: float
    factor: int

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def left(self) -> float:
        """The first column of the whole picture that has ink."""
        return float((self.columns.min() if len(self.rows) else 0) * self.factor)

    @property
    def right(self) -> float:
        """The column of the whole picture after the last one that has ink."""
        return float((self.columns.max() + 1 if len(self.rows) else self.size[0]) * self.factor)


def find_ink(picture: Image.Image, placement: Placement) -> Ink:
    """The ink of a line, without specks, rules, and what comes in from the lines beside it.

    Args:
        picture: of the line, any mode.
        placement: the rows of it that count.
    """
    grey = picture.convert("L")
    factor = max(1, grey.height // INK_HEIGHT)
    inked = normalize_ink(grey.reduce(factor)) > INK_LEVEL
    height, width = inked.shape
    fall = placement.slope * (np.arange(width) + 0.5 - width / 2)
    first, last = placement.top / factor, placement.bottom / factor
    level = np.arange(height)[:, None] + 0.5 - fall
    inked &= (level > first) & (level < last)
    inked = _without_rules(inked, last - first)
    rows, columns = np.nonzero(inked)
    pieces, levels = _pieces(inked), rows + 0.5 - fall[columns]
    if len(rows):
        to_edge = np.minimum(rows, height - 1 - rows)
        kept = _kept_pieces(levels, to_edge, pieces)[pieces]
        rows, columns, pieces, levels = rows[kept], columns[kept], pieces[kept], levels[kept]
        first, last = levels.min() - 0.5, levels.max() + 0.5
    return Ink(
        rows=rows,
        columns=columns,
        pieces=pieces,
        size=(width, height),
        whole_size=picture.size,
        top=float(first),
        bottom=float(last),
        slope=placement.slope,
        factor=factor,
    )


def _without_rules(inked: NDArray[np.bool_], rows: float) -> NDArray[np.bool_]:
    """The ink without thin lines that run along the text, as on ruled paper; letters stay."""
    long = _run_lengths(inked) > RULE_LENGTH * rows
    if not long.any():
        return inked
    thickness = _run_lengths(inked.T).T
    left = inked & ~(long & (thickness <= max(2.0, RULE_THICKNESS * rows)))
    return left if left.any() else inked


def _run_lengths(inked: NDArray[np.bool_]) -> IntArray:
    """For each pixel the length of the stretch of ink in its row that it is in; else 0."""
    steps = np.diff(np.pad(inked, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    lengths = np.nonzero(steps == -1)[1] - np.nonzero(steps == 1)[1]
    found = np.zeros(inked.shape, np.int64)
    found[inked] = np.repeat(lengths, lengths)
    return found


def _pieces(inked: NDArray[np.bool_]) -> IntArray:
    """The connected piece (8 neighbours) of each pixel of ink, in the order of ``np.nonzero``.

    Runs of pixels in a row are joined with those they touch in the next row; labels sink to the
    smallest of their piece.
    """
    padded = np.pad(inked, ((0, 0), (1, 1))).astype(np.int8)
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    stride = padded.shape[1] + 1
    first = np.searchsorted(rows * stride + ends, (rows + 1) * stride + starts)
    last = np.searchsorted(rows * stride + starts, (rows + 1) * stride + ends, side="right")
    touching = np.maximum(last - first, 0)
    above = np.repeat(np.arange(len(rows)), touching)
    below = np.arange(len(above)) + np.repeat(first - np.cumsum(touching) + touching, touching)
    labels = np.arange(len(rows))
    while len(above):
        one, other = labels[above], labels[below]
        apart = one != other
        if not apart.any():
            break
        above, below = above[apart], below[apart]
        one, other = one[apart], other[apart]
        np.minimum.at(labels, np.maximum(one, other), np.minimum(one, other))
        while (labels[labels] != labels).any():
            labels = labels[labels]
    numbers = np.unique(labels, return_inverse=True)[1]
    return np.repeat(numbers, ends - starts).astype(np.int64)


def _kept_pieces(levels: FloatArray, to_edge: IntArray, pieces: IntArray) -> NDArray[np.bool_]:
    """Which pieces are neither specks nor of other lines.

    Args:
        levels: (pixels,) their rows, as if the line were level.
        to_edge: (pixels,) rows between there and the nearer edge of the picture.
        pieces: (pixels,).
    """
    count = int(pieces.max()) + 1
    areas = np.bincount(pieces, minlength=count)
    top, bottom = _extent(levels, pieces, count)
    height = max(1.0, float(np.ptp(np.percentile(levels, (2, 98)))))
    core = np.percentile(levels, (25, 75))
    in_core = (top < core[1]) & (bottom > core[0])
    cut_off = np.bincount(pieces, to_edge < EDGE * height, minlength=count) > 0
    whole = in_core & ~cut_off
    reach = (top[whole].min(), bottom[whole].max()) if whole.any() else core
    apart = np.maximum(top - reach[1], reach[0] - bottom) > APART * height
    specks = areas < (SPECK * height) ** 2
    kept: NDArray[np.bool_] = ~(specks | (~in_core & (cut_off | apart)))
    return kept if kept.any() else np.ones(count, bool)


def _extent(values: NDArray[Any], groups: IntArray, count: int) -> tuple[FloatArray, FloatArray]:
    """The smallest and the largest value of each group; infinite where there is none."""
    smallest, largest = np.full(count, np.inf), np.full(count, -np.inf)
    order = np.argsort(groups, kind="stable")
    present, starts = np.unique(groups[order], return_index=True)
    if len(present):
        smallest[present] = np.minimum.reduceat(values[order], starts)
        largest[present] = np.maximum.reduceat(values[order], starts)
    return smallest, largest


def character_boxes(ink: Ink, middles: FloatArray, words: Sequence[int]) -> list[Box]:
    """A box around the ink of each character, in pixels of the whole picture.

    Args:
        ink: of the line.
        middles: (characters,) roughly the middle column of each, from left to right, in pixels of
            the whole picture.
        words: the number of the word that each character belongs to.

    Returns:
        boxes of at least one pixel inside the picture.
    """
    width, height = ink.size
    word_of = np.concatenate(([0], np.cumsum(np.diff(np.asarray(words)) != 0)))
    middles = np.maximum.accumulate(np.clip(np.asarray(middles) / ink.factor, 0, width))
    profile = np.bincount(ink.columns, minlength=width) / max(ink.height, 1.0)
    middles = (middles + _shift(profile, middles, word_of, ink.height)).clip(0, width)
    starts, ends = _spans(profile, middles, word_of, REACH * max(ink.height, 1.0))
    owners = _owners(ink, starts, ends, word_of)
    owned = owners >= 0
    left, right = _extent(ink.columns[owned], owners[owned], len(middles))
    top, bottom = _extent(ink.rows[owned], owners[owned], len(middles))
    for i in np.flatnonzero(~np.isfinite(left)):  # no ink: some of the room that is left
        left[i] = max(starts[i], middles[i] - BARE * ink.height)
        right[i] = min(ends[i], middles[i] + BARE * ink.height)
        word = (word_of == word_of[i]) & np.isfinite(top)
        fall = ink.slope * (middles[i] - width / 2)
        top[i] = top[word].min() if word.any() else ink.top + fall
        bottom[i] = bottom[word].max() if word.any() else ink.bottom + fall
    sides = np.stack((left, top, right + 1, bottom + 1), 1).astype(np.int64)
    sides[:, :2] = sides[:, :2].clip(0, (width - 1, height - 1))
    sides[:, 2:] = sides[:, 2:].clip(sides[:, :2] + 1, (width, height))
    sides = np.minimum(sides * ink.factor, ink.whole_size * 2)
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in sides]


def _shift(profile: FloatArray, middles: FloatArray, word_of: IntArray, size: float) -> float:
    """How far all middles together have to move for the places between them to be the emptiest.

    A CTC head is free to fire early or late in a glyph, and every training ends with its own habit.
    """
    inside = word_of[1:] == word_of[:-1]
    between = (middles[1:] + middles[:-1])[inside] / 2
    if len(between) < 3:
        return 0.0
    blur = max(1, round(0.06 * size))
    smooth = np.convolve(profile, np.ones(blur) / blur, "same")
    places = np.rint(between + SHIFTS[:, None] * size).astype(np.int64).clip(0, len(profile) - 1)
    cost = smooth[places].mean(1) + 0.05 * (SHIFTS / LIKELY_SHIFT) ** 2
    return float(SHIFTS[cost.argmin()] * size)


def _spans(
    profile: FloatArray, middles: FloatArray, word_of: IntArray, reach: float
) -> tuple[FloatArray, FloatArray]:
    """The first column of each character and the one after its last; apart between words."""
    starts = np.maximum(middles - reach, 0)
    ends = np.minimum(middles + reach, len(profile))
    seams = np.minimum(np.append(0, profile), np.append(profile, 0))  # ink beside a cut
    for i in range(len(middles) - 1):
        if word_of[i] == word_of[i + 1]:
            ends[i] = starts[i + 1] = _cut(seams, middles[i], middles[i + 1])
        else:
            gap = _gap(profile, middles[i], middles[i + 1])
            if gap is None:
                cut = _cut(seams, middles[i], middles[i + 1])
                gap = cut, cut
            ends[i], starts[i + 1] = min(ends[i], gap[0]), max(starts[i + 1], gap[1])
    return starts, np.maximum(ends, starts)


def _cut(seams: FloatArray, left: float, right: float) -> float:
    """The place between two middles that cuts the least ink and is not far from half-way."""
    first, last = math.ceil(left), math.floor(right)
    half = (left + right) / 2
    if last <= first:
        return half
    astray = (np.arange(first, last + 1) - half) / ((right - left) * STRAY)
    return float(first + (seams[first : last + 1] + astray * astray).argmin())


def _gap(profile: FloatArray, left: float, right: float) -> tuple[float, float] | None:
    """The widest stretch without ink between two middles; None where there is none."""
    first = int(left)
    empty = np.concatenate(([False], profile[first : math.ceil(right)] == 0, [False]))
    changes = np.flatnonzero(empty[1:] != empty[:-1]).reshape(-1, 2)
    if not len(changes):
        return None
    start, end = changes[(changes[:, 1] - changes[:, 0]).argmax()]
    return float(first + start), float(first + end)


def _owners(ink: Ink, starts: FloatArray, ends: FloatArray, word_of: IntArray) -> IntArray:
    """The character that each pixel belongs to, -1 for none.

    A connected piece that lies mostly in one word is wholly the word's; so are its parts in that
    word and a character, unless that leaves another one nothing. The rest is cut where characters
    meet.
    """
    columns = ink.columns + 0.5
    owners = np.searchsorted(starts, columns, side="right") - 1
    owners = np.where((owners >= 0) & (columns < ends[owners]), owners, -1)
    words = np.where(owners >= 0, word_of[owners], -1)
    moved = _mostly(ink.pieces, words, WHOLE_WORD)
    first = np.searchsorted(word_of, moved, side="left")
    last = np.searchsorted(word_of, moved, side="right") - 1
    nearest = np.where(columns < starts[first], first, last)
    owners = np.where(moved == words, owners, np.where(moved >= 0, nearest, -1))
    parts = ink.pieces * (int(word_of[-1]) + 2) + moved + 1
    settled = _mostly(np.unique(parts, return_inverse=True)[1], owners, WHOLE_CHARACTER)
    robbed = np.bincount(settled + 1, minlength=len(starts) + 1) == 0
    return np.where(robbed[owners + 1], owners, settled)


def _mostly(pieces: IntArray, owners: IntArray, least: float) -> IntArray:
    """Owners of pixels, those of a piece all the same where one owns at least that share of it."""
    if not len(pieces):
        return owners
    count, width = int(pieces.max()) + 1, int(owners.max()) + 2
    shares = np.bincount(pieces * width + owners + 1, minlength=count * width)
    shares = shares.reshape(count, width)
    main = shares.argmax(1)
    whole = shares[np.arange(count), main] >= least * shares.sum(1)
    return np.where(whole[pieces], main[pieces] - 1, owners)
