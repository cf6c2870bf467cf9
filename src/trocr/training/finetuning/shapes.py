"""Pictures whose shape does not go with the length of their text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...labelled_lines import LabelledLine
from .findings import Finding, found, quoted
from .labels import MIN_LINES

MIN_FACTOR = 2.0  # by which width per character differs from that of texts of like length
MIN_DEVIATIONS = 7.0  # robust standard deviations, of the logarithm
SMALLEST_DEVIATION = 0.1
LINES_A_GROUP = 60  # of like length, at least where there are so many
MAX_GROUPS = 12


def odd_shapes(lines: Sequence[LabelledLine], sizes: Sequence[tuple[int, int]]) -> list[Finding]:
    """Lines far wider or narrower, for their height and text, than texts of like length are.

    Args:
        sizes: width and height in pixels.
    """
    if len(lines) < MIN_LINES:
        return []
    lengths = np.array([max(1, len(line.text)) for line in lines])
    widths, heights = np.array(sizes, np.float64).T
    per_character = np.log(widths / heights / lengths)
    excess, deviation = np.zeros(len(lines)), np.zeros(len(lines))
    groups = min(MAX_GROUPS, max(1, len(lines) // LINES_A_GROUP))
    for group in np.array_split(np.argsort(lengths, kind="stable"), groups):
        excess[group] = per_character[group] - np.median(per_character[group])
        spread = 1.4826 * float(np.median(np.abs(excess[group])))  # of a normal distribution
        deviation[group] = np.abs(excess[group]) / max(spread, SMALLEST_DEVIATION)
    odd = (deviation > MIN_DEVIATIONS) & (np.abs(excess) > np.log(MIN_FACTOR))
    order = sorted(np.flatnonzero(odd).tolist(), key=lambda number: -float(deviation[number]))
    return found(
        "pictures much wider or narrower than their texts let expect",
        (f"{quoted(lines[i])}, {sizes[i][0]} × {sizes[i][1]} pixels" for i in order),
        "Look at them: a wrong label, two lines in one picture, or a part of a line.",
    )
