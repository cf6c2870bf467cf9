"""How a line is set: spacing, unsteadiness, margins and bends, drawn per line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .warp import NO_BEND, Bend

# Families with the letters of a typewriter, or slab serifs that pass for them at a fixed pitch.
TYPEWRITER = re.compile("courier|elite|cutive|typewriter|slab|arvo|rokkitt|aleo|sanchez")


@dataclass(frozen=True)
class Manner:
    """Lengths are in ems, or in line heights where said; deviations are those of a normal draw.

    Attributes:
        margins: left, top, right, bottom around the ink, in line heights; negative cuts it.
        bend: what is done to the whole line.
        tracking: extra space after a piece.
        word_space: factor on the face's own space; ``space_spread`` is its relative spread.
        by_glyph: characters are set one by one, without joins and kerning.
        cell: each character in the middle of a cell, in widths of an m; 0 is none.
        word_rise, word_growth, glyph_wobble: deviations of height, size and place.
        faintest: least ink of a piece, 0-255.
        features: OpenType features, as Pillow takes them.
        neighbours: parts of the lines above and below are seen, ``pitch`` line heights away.
        underlined, struck: a line under the text, a stray stroke.
    """

    margins: tuple[float, float, float, float]
    bend: Bend = NO_BEND
    tracking: float = 0.0
    word_space: float = 1.0
    space_spread: float = 0.0
    by_glyph: bool = False
    cell: float = 0.0
    word_rise: float = 0.0
    word_growth: float = 0.0
    glyph_wobble: float = 0.0
    faintest: int = 255
    features: tuple[str, ...] = ()
    neighbours: bool = False
    pitch: float = 1.2
    underlined: bool = False
    struck: bool = False


def print_manner(family: str, fixed_pitch: bool, generator: np.random.Generator) -> Manner:
    """A printed line, or one typed letter by letter, which faces of fixed pitch mostly are."""
    chance = generator.random
    spacing: dict[str, Any] = {}
    if not fixed_pitch and TYPEWRITER.search(family) and chance() < 0.6:
        spacing = _typed(generator) | {"cell": generator.uniform(0.72, 0.95)}
    elif chance() < (0.6 if fixed_pitch else 0.1):
        spacing = _typed(generator)
    elif chance() < 0.1:
        spacing = {"by_glyph": True, "tracking": generator.uniform(-0.03, 0.3)}
    elif chance() < 0.06:
        spacing = {"by_glyph": True, "cell": generator.uniform(0.75, 1.0)}
    justified = chance() < 0.15
    return Manner(
        margins=crop_margins(generator),
        bend=_print_bend(fixed_pitch, generator),
        word_space=generator.uniform(1.2, 2.6) if justified else generator.uniform(0.8, 1.25),
        space_spread=0.05 if chance() < 0.2 else 0.0,
        features=("-liga", "-kern") if chance() < 0.15 else (),
        neighbours=bool(chance() < 0.35),
        pitch=generator.uniform(0.92, 1.35),
        underlined=bool(chance() < 0.04),
        struck=bool(chance() < 0.01),
        **spacing,
    )


def _typed(generator: np.random.Generator) -> dict[str, Any]:
    """Every letter with its own force and place, as typewriters leave them."""
    return {
        "by_glyph": True,
        "glyph_wobble": generator.uniform(0.0, 0.03),
        "faintest": int(generator.integers(90, 256)),
        "tracking": generator.uniform(-0.01, 0.06) if generator.random() < 0.5 else 0.0,
    }


def crop_margins(generator: np.random.Generator) -> tuple[float, float, float, float]:
    """Left, top, right, bottom: tight boxes, usual ones, loose ones, and now and then a cut."""
    style = generator.random()
    if style < 0.3:
        low, high = -0.05, 0.12
    elif style < 0.8:
        low, high = 0.03, 0.3
    else:
        low, high = 0.1, 0.6
    left, top, right, bottom = generator.uniform(low, high, 4)
    if generator.random() < 0.1:
        left, right = generator.uniform(0, 2.0, 2)
    return left, top, right, bottom


def _print_bend(fixed_pitch: bool, generator: np.random.Generator) -> Bend:
    if generator.random() < 0.3:
        return NO_BEND
    stretch = generator.normal(0, 0.2 if fixed_pitch else 0.08)
    return Bend(
        stretch=float(np.exp(np.clip(stretch, -0.4, 0.45))),
        slant=generator.normal(0, 0.12) if generator.random() < 0.3 else 0.0,
        turn=generator.normal(0, 0.012) if generator.random() < 0.8 else 0.0,
        drift=generator.uniform(0, 0.04) if generator.random() < 0.4 else 0.0,
        elastic=generator.uniform(0, 0.012) if generator.random() < 0.3 else 0.0,
    )
