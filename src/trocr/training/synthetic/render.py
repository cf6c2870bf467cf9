"""One line of text in one face: a mask of ink, cropped as a line finder would crop it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .handwriting import hand_manner, pen_stroke
from .manner import Manner, print_manner
from .warp import NO_BEND, bent

if TYPE_CHECKING:
    from .fonts import Face

ByteArray = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels

MEASURED_SIZE = 64  # pixels per em when a face is measured
MEASURED_TEXT = "Ehgpy"
LINE_HEIGHTS = (18.0, 48.0)  # pixels from the highest ascender to the deepest descender
LEAST_X_HEIGHT = 8.0  # pixels
MAX_WIDTH = 2200  # pixels; longer lines are set smaller
SUPERSCRIPT = re.compile(r"\^([^\W_]+)")
SUPERSCRIPT_SIZE, SUPERSCRIPT_RISE = 0.64, 0.36  # ems


class Measures(NamedTuple):
    """Of a face, in ems: line height with ascenders and descenders, height of x; one width?"""

    line: float
    x: float
    fixed_pitch: bool


@dataclass(frozen=True)
class Setting:
    """A line set on a canvas: its mask, baseline row, ink box and full line height in pixels."""

    mask: ByteArray
    baseline: int
    ink: Box
    unit: float


class Piece(NamedTuple):
    """A word or a character, where it stands (pixels from the start and the baseline), its ink."""

    text: str
    font: ImageFont.FreeTypeFont
    x: float
    y: float
    ink: int


def render_line(text: str, face: Face, generator: np.random.Generator) -> ByteArray:
    """(height, width) ink coverage 0-255 of a line, with the margins of a crop.

    Letters and digits after ``^`` are set as a superscript, without the ``^``: "M^r" for Mr.
    """
    hand = face.kind == "hand"
    measures = _measured(face.path)
    manner = hand_manner(generator) if hand else print_manner(measures.fixed_pitch, generator)
    unit = generator.uniform(*LINE_HEIGHTS)
    setting = _set_line(
        text, face.path, max(unit / measures.line, LEAST_X_HEIGHT / measures.x), manner, generator
    )
    box = _crop(setting, manner)
    mask = setting.mask
    if manner.bend == NO_BEND:
        left, top, right, bottom = box
        return mask[top:bottom, left:right]
    mask = bent(mask, box, setting.baseline, setting.unit, manner.bend, generator)
    return pen_stroke(mask, setting.unit, generator) if hand else mask


def _set_line(
    text: str, path: Path, ems: float, manner: Manner, generator: np.random.Generator
) -> Setting:
    size = max(6, round(ems))
    pieces, width = _placed(text, path, size, manner, generator)
    if width > MAX_WIDTH:
        size = max(6, int(size * MAX_WIDTH / width))
        pieces, width = _placed(text, path, size, manner, generator)
    unit = size * _measured(path).line
    pad, baseline = round(2 * unit), round(2.2 * unit)
    canvas = Image.new("L", (round(width) + 2 * pad, round(3.6 * unit)))
    pen = ImageDraw.Draw(canvas)
    features = list(manner.features) or None
    for piece in pieces:
        place = (pad + piece.x, baseline + piece.y)
        pen.text(place, piece.text, piece.ink, piece.font, "ls", features=features)
    ink = canvas.getbbox() or (pad, baseline - size, pad + size, baseline)
    mask = np.array(canvas)
    if manner.neighbours:
        _add_neighbours(mask, ink, _pitch(ink, unit, manner), generator)
    return Setting(mask, baseline, ink, unit)


def _add_neighbours(mask: ByteArray, ink: Box, pitch: int, generator: np.random.Generator) -> None:
    """The lines above and below say the same from another place on, which no crop shows."""
    left, top, right, bottom = ink
    line = mask[top:bottom, left:right].copy()
    for shift in (-pitch, pitch):
        start, end = max(0, top + shift), min(mask.shape[0], bottom + shift)
        if start >= end:
            continue
        turned = np.roll(line, int(generator.integers(line.shape[1])), axis=1)
        place = mask[start:end, left:right]
        np.maximum(place, turned[start - top - shift : end - top - shift], out=place)


def _placed(
    text: str, path: Path, size: int, manner: Manner, generator: np.random.Generator
) -> tuple[list[Piece], float]:
    """The pieces of a line and its width in pixels."""
    features = list(manner.features) or None
    space = max(0.12 * size, _font(path, size).getlength(" ") * manner.word_space)
    pieces: list[Piece] = []
    x = 0.0
    for word in text.split(" "):
        rise = generator.normal(0, manner.word_rise) * size if manner.word_rise else 0.0
        grown = size
        if manner.word_growth:
            grown = round(size * (1 + generator.normal(0, manner.word_growth)))
        for run, raised in _runs(word):
            font = _font(path, round(grown * SUPERSCRIPT_SIZE) if raised else grown)
            y = rise - (SUPERSCRIPT_RISE * size if raised else 0.0)
            parts = run if manner.by_glyph else (run,)
            wobble = generator.normal(0, manner.glyph_wobble * size, (len(parts), 2)).tolist()
            inks = generator.integers(manner.faintest, 256, len(parts)).tolist()
            for part, (dx, dy), ink in zip(parts, wobble, inks, strict=True):
                pieces.append(Piece(part, font, x + dx, y + dy, ink))
                x += font.getlength(part, features=features) + manner.tracking * size
        x += space * generator.uniform(1 - manner.space_spread, 1 + manner.space_spread)
    return pieces, x


def _runs(word: str) -> Iterator[tuple[str, bool]]:
    """The parts of a word, and whether each is raised."""
    for index, part in enumerate(SUPERSCRIPT.split(word)):
        if part:
            yield part, index % 2 == 1


def _crop(setting: Setting, manner: Manner) -> Box:
    """The ink with the margins around it; of the lines above and below only parts are inside."""
    unit, (left, top, right, bottom) = setting.unit, setting.ink
    turned = min(abs(manner.bend.turn) * (right - left) / 2, 0.35 * unit)
    slanted = 0.6 * unit * manner.bend.slant
    west, north, east, south = (unit * margin for margin in manner.margins)
    above, below = round(top - north - turned), round(bottom + south + turned)
    if manner.neighbours:
        pitch = _pitch(setting.ink, unit, manner)
        above = max(above, round(setting.baseline - pitch - 0.25 * unit))
        below = min(below, round(setting.baseline + pitch - 0.45 * unit))
    above, below = min(above, top + round(0.1 * unit)), max(below, bottom - round(0.1 * unit))
    height, width = setting.mask.shape
    start, end = round(left - west + min(0, slanted)), round(right + east + max(0, slanted))
    return max(0, start), max(0, above), min(width, end), min(height, below)


def _pitch(ink: Box, unit: float, manner: Manner) -> int:
    """From one baseline to the next, in pixels."""
    return round(manner.pitch * max(unit, 0.9 * (ink[3] - ink[1])))


@lru_cache(maxsize=384)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, max(size, 4))


@cache
def _measured(path: Path) -> Measures:
    font = ImageFont.truetype(path, MEASURED_SIZE)
    line, low = font.getbbox(MEASURED_TEXT, anchor="ls"), font.getbbox("x", anchor="ls")
    return Measures(
        max(0.3, (line[3] - line[1]) / MEASURED_SIZE),
        max(0.15, (low[3] - low[1]) / MEASURED_SIZE),
        font.getlength("i") == font.getlength("M") == font.getlength("."),
    )
