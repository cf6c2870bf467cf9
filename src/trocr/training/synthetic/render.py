"""One line of text in one face: a mask of ink, cropped as a line finder would crop it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .handwriting import hand_manner, pen_stroke
from .manner import Manner, print_manner
from .warp import NO_BEND, bent

if TYPE_CHECKING:
    from .fonts import Face

ByteArray = NDArray[np.uint8]
Box = tuple[int, int, int, int]

MEASURED_SIZE = 32  # pixels; the size at which a face's height is measured
MEASURED_TEXT = "Ehgpy"
LINE_HEIGHTS = (17.0, 46.0)  # pixels from the highest ascender to the deepest descender
LEAST_X_HEIGHT = 7.0  # pixels
MAX_WIDTH = 2200  # pixels; longer lines are set smaller
SUPERSCRIPT = re.compile(r"\^(?=[^\W\d_])(\w+)")
SUPERSCRIPT_SIZE = 0.64


@dataclass(frozen=True)
class Setting:
    """A line set on a canvas: its mask, baseline row, ink box and full line height in pixels."""

    mask: Image.Image
    baseline: int
    ink: Box
    unit: float


def render_line(text: str, face: Face, generator: np.random.Generator) -> ByteArray:
    """(height, width) ink coverage 0-255 of a line, with the margins of a crop.

    Letters after ``^`` are set as a superscript, without the ``^``: "M^r" for Mr.
    """
    hand = face.kind == "hand"
    manner = hand_manner(generator) if hand else print_manner(generator)
    unit = generator.uniform(*LINE_HEIGHTS)
    setting = _set_line(text, face, unit, manner, generator)
    box = _crop(setting, manner)
    mask = np.asarray(setting.mask)
    if manner.bend == NO_BEND:
        left, top, right, bottom = box
        return mask[top:bottom, left:right]
    mask = bent(mask, box, setting.baseline, setting.unit, manner.bend, generator)
    return pen_stroke(mask, setting.unit, generator) if hand else mask


def _set_line(
    text: str, face: Face, unit: float, manner: Manner, generator: np.random.Generator
) -> Setting:
    line_height, x_height = _heights(face.path)
    size = max(6, round(max(unit / line_height, LEAST_X_HEIGHT / x_height)))
    pieces, width = _placed(text, face.path, size, manner, generator)
    if width > MAX_WIDTH:
        size = max(6, int(size * MAX_WIDTH / width))
        pieces, width = _placed(text, face.path, size, manner, generator)
    unit = size * line_height
    pad, baseline = round(2 * unit), round(2.2 * unit)
    mask = Image.new("L", (round(width) + 2 * pad, round(3.6 * unit)))
    pen = ImageDraw.Draw(mask)
    _draw(pen, pieces, pad, baseline, manner)
    ink = mask.getbbox() or (pad, baseline - size, pad + size, baseline)
    if manner.neighbours:
        pitch = _pitch(ink, unit, manner)
        for side in (-1, 1):
            shift = pad - round(generator.uniform(0, 2) * unit)
            words = text.split()
            other = " ".join(words[i] for i in generator.permutation(len(words)))
            pieces, _ = _placed(other + " " + text, face.path, size, manner, generator)
            _draw(pen, pieces, shift, baseline + side * round(pitch), manner)
    return Setting(mask, baseline, ink, unit)


@dataclass(frozen=True)
class Piece:
    """A word or a character, where it stands (pixels from the start and the baseline), its ink."""

    text: str
    font: ImageFont.FreeTypeFont
    x: float
    y: float
    ink: int


def _draw(
    pen: ImageDraw.ImageDraw, pieces: list[Piece], left: int, baseline: int, manner: Manner
) -> None:
    features = list(manner.features) or None
    for piece in pieces:
        place = (left + piece.x, baseline + piece.y)
        pen.text(place, piece.text, piece.ink, piece.font, "ls", features=features)


def _placed(
    text: str, path: Path, size: int, manner: Manner, generator: np.random.Generator
) -> tuple[list[Piece], float]:
    """The pieces of a line and its width in pixels."""
    features = list(manner.features) or None
    space = _font(path, size).getlength(" ") * manner.word_space
    space = max(space, 0.12 * size)
    pieces: list[Piece] = []
    x = 0.0
    for word in text.split(" "):
        rise = generator.normal(0, manner.word_rise) * size if manner.word_rise else 0.0
        grown = round(size * (1 + generator.normal(0, manner.word_growth)))
        for run, raised in _runs(word):
            font = _font(path, round(grown * SUPERSCRIPT_SIZE) if raised else grown)
            y = rise - (0.36 * size if raised else 0.0)
            for part in run if manner.by_glyph else (run,):
                wobble = manner.glyph_wobble * size
                dx, dy = generator.normal(0, wobble, 2) if wobble else (0.0, 0.0)
                ink = int(generator.integers(manner.faintest, 256))
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
    turned = min(abs(manner.bend.turn) * (right - left) / 2, 0.3 * unit)
    west, north, east, south = (round(unit * margin) for margin in manner.margins)
    above, below = top - north - round(turned), bottom + south + round(turned)
    if manner.neighbours:
        pitch = _pitch(setting.ink, unit, manner)
        above = max(above, round(setting.baseline - pitch - 0.25 * unit))
        below = min(below, round(setting.baseline + pitch - 0.45 * unit))
    above, below = min(above, top + round(0.1 * unit)), max(below, bottom - round(0.1 * unit))
    width, height = setting.mask.size
    return max(0, left - west), max(0, above), min(width, right + east), min(height, below)


def _pitch(ink: Box, unit: float, manner: Manner) -> float:
    """From one baseline to the next, in pixels."""
    return manner.pitch * max(unit, 0.9 * (ink[3] - ink[1]))


@lru_cache(maxsize=384)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, max(size, 4))


@cache
def _heights(path: Path) -> tuple[float, float]:
    """Of a line with ascenders and descenders, and of the letter x, in ems."""
    font = _font(path, MEASURED_SIZE)
    line, low = font.getbbox(MEASURED_TEXT, anchor="ls"), font.getbbox("x", anchor="ls")
    return (
        max(0.3, (line[3] - line[1]) / MEASURED_SIZE),
        max(0.15, (low[3] - low[1]) / MEASURED_SIZE),
    )
