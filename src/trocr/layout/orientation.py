"""How a page lies: its skew, whether its rows stand, whether it is upside down."""

from __future__ import annotations

from collections.abc import Sequence

from ..document import Line
from .outlines import axis_of

MAX_SKEW = 45.0


def skew_of(lines: Sequence[Line]) -> float:
    """Degrees by which the lines fall to the right; negative if they rise, 0.0 if unknown.

    The median of the lines' slopes, each counted by its length. A slope is that of the baseline,
    or of the outline's main axis where there is no baseline. Standing lines do not count, nor do
    outlines that are hardly longer than high.
    """
    axes = [axis for line in lines if (axis := axis_of(line)) and abs(axis[0]) < MAX_SKEW]
    half = sum(length for _, length in axes) / 2
    passed = 0.0
    for degrees, length in sorted(axes):
        passed += length
        if passed >= half:
            return degrees
    return 0.0
