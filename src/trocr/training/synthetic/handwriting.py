"""What makes a script face look written: drifting words, changing slant, a pen under pressure."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .manner import Manner, crop_margins
from .textures import swing, texture
from .warp import Bend

ByteArray = NDArray[np.uint8]


def hand_manner(generator: np.random.Generator) -> Manner:
    """A handwritten line; most keep the joins of the face, some are set letter by letter."""
    chance = generator.random
    unrest = generator.uniform(0.2, 1.0)  # from a careful hand to a hasty one
    by_glyph = bool(chance() < 0.2)
    return Manner(
        margins=crop_margins(generator),
        bend=Bend(
            stretch=float(np.exp(generator.normal(0, 0.12))),
            slant=generator.normal(0.06, 0.2),
            slant_change=0.08 * unrest,
            turn=generator.normal(0, 0.012),
            drift=0.06 * unrest,
            growth=0.09 * unrest,
            elastic=generator.uniform(0.01, 0.045) * unrest,
        ),
        word_space=generator.uniform(0.7, 2.4),
        space_spread=0.4 * unrest,
        by_glyph=by_glyph,
        tracking=generator.uniform(-0.02, 0.05) if by_glyph else 0.0,
        word_rise=0.03 * unrest,
        word_growth=0.05 * unrest if chance() < 0.3 else 0.0,
        glyph_wobble=generator.uniform(0.0, 0.025) if by_glyph else 0.0,
        features=("-liga", "-calt") if chance() < 0.15 else (),
        neighbours=bool(chance() < 0.45),
        pitch=generator.uniform(0.85, 1.4),
        underlined=bool(chance() < 0.05),
        struck=bool(chance() < 0.03),
    )


def pen_stroke(mask: ByteArray, unit: float, generator: np.random.Generator) -> ByteArray:
    """Strokes thicker or thinner than the face has them, more so where the pen was pressed.

    Args:
        mask: (height, width) ink coverage 0-255.
        unit: height of the line in pixels.
    """
    softness = unit * generator.uniform(0.012, 0.03)
    soft = cv2.GaussianBlur(mask, (0, 0), softness)
    pressure = texture("clouds", mask.shape, generator)
    pressed = cv2.multiply(soft, swing(pressure, generator.uniform(0, 0.4)), scale=1 / 128)
    # Of the strokes' own darkness after softening, so that hairlines do not vanish.
    level = generator.uniform(0.36, 0.68) * cv2.mean(soft, mask)[0]
    steepness = generator.uniform(2.0, 5.0)
    ramp = (np.arange(256) - level) * steepness + 128
    table = ramp.clip(0, 255).astype(np.uint8)
    table[:8] = 0
    return np.asarray(cv2.LUT(pressed, table), np.uint8)
