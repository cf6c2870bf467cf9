"""One line of text in one face: a mask of ink, cropped as a line finder would crop it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .handwriting import hand_manner
from .manner import Manner, print_manner
from .pen import pen_stroke
from .setting import Box, Setting, measured, set_line
from .surroundings import add_neighbours, add_strokes, add_underline, widened
from .warp import NO_BEND, bent

if TYPE_CHECKING:
    from .fonts import Face

ByteArray = NDArray[np.uint8]

# Pixels from the highest ascender to the deepest descender; thin pens need more of them.
LINE_HEIGHTS = {"print": (18.0, 48.0), "hand": (26.0, 56.0)}

LEAST_HEIGHT = 0.6  # of a crop, in line heights


def render_line(text: str, face: Face, generator: np.random.Generator) -> ByteArray:
    """(height, width) ink coverage 0-255 of a line, with the margins of a crop.

    Letters and digits after ``^`` are set as a superscript, without the ``^``: "M^r" for Mr.
    """
    hand = face.kind == "hand"
    if hand:
        manner = hand_manner(generator)
    else:
        manner = print_manner(face.family, measured(face.path).fixed_pitch, generator)
    setting = set_line(
        text, face.path, generator.uniform(*LINE_HEIGHTS[face.kind]), manner, generator
    )
    if manner.underlined:
        add_underline(setting, generator)
    if manner.neighbours:
        add_neighbours(setting, _pitch(setting, manner), generator)
    if manner.struck:
        add_strokes(setting, generator)
        setting = replace(setting, ink=widened(setting.ink, setting.mask))
    left, top, right, bottom = box = _crop(setting, manner)
    if manner.bend == NO_BEND:
        return setting.mask[top:bottom, left:right]
    mask = bent(setting.mask, box, setting.baseline, setting.unit, manner.bend, generator)
    return pen_stroke(mask, setting.unit, generator) if hand else mask


def _crop(setting: Setting, manner: Manner) -> Box:
    """The ink with the margins around it; of the lines above and below only parts are inside."""
    unit, (left, top, right, bottom) = setting.unit, setting.ink
    turned = min(abs(manner.bend.turn) * (right - left) / 2, 0.35 * unit)
    slanted = 0.6 * unit * manner.bend.slant
    west, north, east, south = (unit * margin for margin in manner.margins)
    above, below = round(top - north - turned), round(bottom + south + turned)
    if manner.neighbours:
        pitch = _pitch(setting, manner)
        above = max(above, round(setting.baseline - pitch - 0.25 * unit))
        below = min(below, round(setting.baseline + pitch - 0.45 * unit))
    above, below = min(above, top + round(0.1 * unit)), max(below, bottom - round(0.1 * unit))
    if below - above < LEAST_HEIGHT * unit:  # a dash, a row of dots
        above = min(top, round(setting.baseline - 0.7 * unit))
        below = max(bottom, round(setting.baseline + 0.1 * unit))
    height, width = setting.mask.shape
    start, end = round(left - west + min(0, slanted)), round(right + east + max(0, slanted))
    return max(0, start), max(0, above), min(width, end), min(height, below)


def _pitch(setting: Setting, manner: Manner) -> int:
    """From one baseline to the next, in pixels."""
    return round(manner.pitch * max(setting.unit, 0.9 * (setting.ink[3] - setting.ink[1])))
