"""How lengths and sizes are spread, as numbers and as one line of a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 24
_BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Histogram:
    """Values sorted into bins of equal width.

    Attributes:
        name, unit: of what.
        edges: one more than there are bins; the last bin holds its upper edge and all above it.
        counts: of values in each bin.
        lowest, median, highest: of all values.
    """

    name: str
    unit: str
    edges: list[float]
    counts: list[int]
    lowest: float
    median: float
    highest: float

    @classmethod
    def of(cls, name: str, unit: str, values: Sequence[float]) -> Histogram:
        """Bins from 0 to just above the 99th percentile; ``values`` are not negative.

        One value out of all proportion, such as a line of 20,000 pixels, leaves the bins narrow.
        """
        found = np.asarray(values, np.float64) if values else np.zeros(1)
        top = max(1.0, float(np.percentile(found, 99)) * 1.05)
        counts, edges = np.histogram(found.clip(0, top), BINS, (0, top))
        if not values:
            counts[:] = 0
        lowest, median, highest = np.percentile(found, (0, 50, 100)).tolist()
        return cls(name, unit, edges.tolist(), counts.tolist(), lowest, median, highest)

    def __str__(self) -> str:
        """``label length, characters      1 ▁▃█▅▂ 92   median 34``."""
        most = max(1, *self.counts)
        bars = "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in self.counts)
        ends = f"{self.lowest:>6.4g} {bars} {self.highest:<6.5g}"
        return f"{f'{self.name}, {self.unit}':<28}{ends} median {self.median:.4g}"
