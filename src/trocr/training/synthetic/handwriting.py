"""What makes a script face look written: drifting words, changing slant, unsteady strokes."""

from __future__ import annotations

import numpy as np

from .manner import Manner, crop_margins
from .warp import Bend


def hand_manner(generator: np.random.Generator) -> Manner:
    """A handwritten line; most keep the joins of the face, some are set letter by letter."""
    chance = generator.random
    unrest = generator.uniform(0.2, 1.0)  # from a careful hand to a hasty one
    by_glyph = bool(chance() < 0.2)
    return Manner(
        margins=crop_margins(generator),
        bend=Bend(
            stretch=float(np.exp(np.clip(generator.normal(0.2, 0.2), -0.3, 0.6))),
            slant=generator.normal(0.14, 0.2),
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
        neighbours=bool(chance() < 0.3),
        pitch=generator.uniform(0.85, 1.4),
        underlined=bool(chance() < 0.05),
        struck=bool(chance() < 0.03),
    )
