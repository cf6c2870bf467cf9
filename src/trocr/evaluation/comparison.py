"""Two readings of the same lines: which is better, by how much, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..labelled_lines import LabelledLine
from ..line_pages import Pages
from ..metrics import COUNTS, FloatArray, scores_of
from .predictions import Predictions
from .protocols import ScoringProtocol
from .report import Report, Scored, pages_for, report_of, scored
from .resampling import bootstrap, interval, p_values

TEST = "paired randomisation test, two-sided, by {unit}"
_EDITS = COUNTS.index("edits")


@dataclass(frozen=True)
class Difference:
    """Of one score: ``model`` minus ``against``, in percentage points.

    Attributes:
        low, high: its bootstrap interval; both models are scored on the same draws.
        p: 0-1, how often chance alone would give as large a difference.
    """

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class ChangedLine:
    """A line that both read differently, as compared; ``edits`` are those needed to correct it."""

    file: str
    label: str
    model: str
    against: str
    model_edits: int
    against_edits: int

    @property
    def gain(self) -> int:
        """Edits fewer than ``against`` needs."""
        return self.against_edits - self.model_edits


@dataclass(frozen=True)
class Comparison:
    """Both reports, their differences by score, and every line read differently.

    Attributes:
        test: what ``p`` is from.
        changed: most improved by the model first.
    """

    model: Report
    against: Report
    differences: dict[str, Difference]
    test: str
    changed: list[ChangedLine]

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without the model's own report."""
        return {
            "against": self.against.to_dict(),
            "differences": {name: asdict(one) for name, one in self.differences.items()},
            "test": self.test,
            "changed": [asdict(line) for line in self.changed],
        }


def compare(
    lines: Sequence[LabelledLine],
    predictions: Predictions,
    against: Predictions,
    protocol: ScoringProtocol,
    *,
    pages: Pages | None = None,
    skipped: int = 0,
) -> Comparison:
    """Score two readings of the same lines, and test whether they differ; arguments as `score`."""
    pages = pages or pages_for(lines, protocol)
    ours = scored(lines, predictions, protocol, pages)
    theirs = scored(lines, against, protocol, pages)
    # The same draws for both, or the difference would seem as uncertain as each score.
    drawn = np.hsplit(bootstrap(np.hstack([ours.units, theirs.units])), 2)
    return Comparison(
        model=report_of(ours, drawn[0], predictions, protocol, pages, skipped),
        against=report_of(theirs, drawn[1], against, protocol, pages, skipped),
        differences=_differences(ours, theirs, *drawn),
        test=TEST.format(unit=ours.unit),
        changed=_changed(lines, ours, theirs),
    )


def _differences(
    ours: Scored, theirs: Scored, drawn_sums: FloatArray, drawn_sums_against: FloatArray
) -> dict[str, Difference]:
    drawn, drawn_against = scores_of(drawn_sums), scores_of(drawn_sums_against)
    true, true_against = scores_of(ours.units.sum(0)), scores_of(theirs.units.sum(0))
    p = p_values(ours.units, theirs.units, scores_of)
    return {
        name: Difference(
            float(true[name] - true_against[name]),
            *interval(drawn[name] - drawn_against[name]),
            p[name],
        )
        for name in true
    }


def _changed(lines: Sequence[LabelledLine], ours: Scored, theirs: Scored) -> list[ChangedLine]:
    edits, against_edits = ours.lines[:, _EDITS].tolist(), theirs.lines[:, _EDITS].tolist()
    found = [
        ChangedLine(
            lines[i].file,
            ours.true[i],
            ours.predicted[i],
            theirs.predicted[i],
            edits[i],
            against_edits[i],
        )
        for i in range(len(lines))
        if ours.predicted[i] != theirs.predicted[i]
    ]
    return sorted(found, key=lambda line: -line.gain)
