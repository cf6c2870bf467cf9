"""Notes: numbers that stand raised behind words, and the lines at the foot of a page.

``NOTE`` stands before such a number in a text, and is not on the paper; labels have a space there,
as transcripts of print do.
"""

from __future__ import annotations

import re
from random import Random

from .phrases import PHRASES

NOTE = "‸"
AT_THE_FOOT, PROSE_SHARE = 0.35, 0.5  # of the notes; of what is said at the foot
_NOTES = PHRASES["notes"]
_BEHIND_WORD = re.compile(r"(?<=\w{3})[.,;:!?”\"']*(?= |$)")


def draw_note(rng: Random, prose: str) -> str:
    """A line of prose with a note or two, or one from the foot of a page."""
    if rng.random() < AT_THE_FOOT:
        return f"{NOTE}{_number(rng, 1)} {_source(rng, prose)}"
    places = [found.end() for found in _BEHIND_WORD.finditer(prose)]
    for place in sorted(rng.sample(places, min(len(places), rng.choice((1, 1, 2)))), reverse=True):
        prose = f"{prose[:place]}{NOTE}{_number(rng, 4)}{prose[place:]}"  # ¹²³ are characters
    return prose


def label_of(text: str) -> str:
    """What a line with notes is labelled."""
    return text.replace(NOTE, " ").strip()


def _number(rng: Random, least: int) -> int:
    return rng.randint(least, 20 if rng.random() < 0.4 else 199)


def _source(rng: Random, prose: str) -> str:
    if rng.random() < PROSE_SHARE:
        return prose
    numbers = {"n": rng.randint(2, 400), "m": rng.randint(2, 99), "r": rng.choice(_NOTES["roman"])}
    return str(rng.choice(_NOTES["sources"])).format(**numbers)
