"""Text set in a face on a black canvas: words, single letters, superscripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .manner import Manner
from .text_notes import NOTE

ByteArray = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels

MEASURED_SIZE = 64  # pixels per em when a face is measured
MEASURED_TEXT = "Ehgpy"
LEAST_X_HEIGHT = 8.0  # pixels
LEAST_SPACE = 0.17  # ems between words
MAX_WIDTH = 2200  # pixels; longer lines are set smaller
SUPERSCRIPT = re.compile(rf"[\^{NOTE}]([^\W_]+)")
SUPERSCRIPT_SIZE, SUPERSCRIPT_RISE = 0.64, 0.36  # ems


class Measures(NamedTuple):
    """Of a face, in ems: line height with ascenders and descenders, height of x; one width?"""

    line: float
    x: float
    fixed_pitch: bool


@dataclass(frozen=True)
class Setting:
    """A line on its canvas: (height, width) ink coverage, baseline row, box of the ink, and the
    height in pixels of a line with ascenders and descenders."""

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


def set_line(
    text: str, path: Path, unit: float, manner: Manner, generator: np.random.Generator
) -> Setting:
    """A line of the face at ``path``, about ``unit`` pixels high, with room around it."""
    measures = measured(path)
    size = round(max(unit / measures.line, LEAST_X_HEIGHT / measures.x))
    pieces, width = _placed(text, path, size, manner, generator)
    if width > MAX_WIDTH:
        size = max(6, int(size * MAX_WIDTH / width))
        pieces, width = _placed(text, path, size, manner, generator)
    unit = size * measures.line
    pad, baseline = round(2 * unit), round(2.2 * unit)
    canvas = Image.new("L", (round(width) + 2 * pad, round(3.6 * unit)))
    pen = ImageDraw.Draw(canvas)
    features = list(manner.features) or None
    for piece in pieces:
        place = (pad + piece.x, baseline + piece.y)
        pen.text(place, piece.text, piece.ink, piece.font, "ls", features=features)
    ink = canvas.getbbox() or (pad, baseline - size, pad + size, baseline)
    return Setting(np.array(canvas), baseline, ink, unit)


def _placed(
    text: str, path: Path, size: int, manner: Manner, generator: np.random.Generator
) -> tuple[list[Piece], float]:
    """The pieces of a line and its width in pixels."""
    features = list(manner.features) or None
    font = _font(path, size)
    cell = manner.cell * font.getlength("m")
    space = max(cell, font.getlength(" ") * manner.word_space)
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
                advance = font.getlength(part, features=features) + manner.tracking * size
                if cell:
                    dx += (cell - advance) / 2
                pieces.append(Piece(part, font, x + dx, y + dy, ink))
                x += cell or advance
        spread = generator.uniform(1 - manner.space_spread, 1 + manner.space_spread)
        x += max(LEAST_SPACE * size, space * spread)
    return pieces, x


def _runs(word: str) -> Iterator[tuple[str, bool]]:
    """The parts of a word, and whether each is raised."""
    for index, part in enumerate(SUPERSCRIPT.split(word)):
        if part:
            yield part, index % 2 == 1


@lru_cache(maxsize=384)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, max(size, 4))


@cache
def measured(path: Path) -> Measures:
    """The measures of the face in a font file."""
    font = ImageFont.truetype(path, MEASURED_SIZE)
    line, low = font.getbbox(MEASURED_TEXT, anchor="ls"), font.getbbox("x", anchor="ls")
    return Measures(
        max(0.3, (line[3] - line[1]) / MEASURED_SIZE),
        max(0.15, (low[3] - low[1]) / MEASURED_SIZE),
        font.getlength("i") == font.getlength("M") == font.getlength("."),
    )
