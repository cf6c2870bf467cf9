"""Scores of what was read of a labelled set, how sure they are, and where the errors are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import UsageError
from ..labelled_lines import LabelledLine
from ..line_pages import Pages, counted, pages_of
from ..metrics import (
    COUNTS,
    FloatArray,
    IntArray,
    confidence_bins,
    expected_calibration_error,
    line_counts,
    matched_words,
    rejection_curve,
    reliability,
    scores_of,
)
from .analysis import (
    BinScores,
    ClassErrors,
    Confusion,
    confusions,
    errors_by_class,
    errors_by_length,
)
from .predictions import Predictions
from .protocols import ScoringProtocol
from .resampling import DRAWS, LEVEL, SEED, bootstrap, interval

FEW = 20  # pages or lines, from which intervals come out too narrow
SHARES_KEPT = (100, 95, 90, 80, 50)  # percent of the lines, the most confident first


@dataclass(frozen=True)
class Resampling:
    """What the intervals were drawn from.

    Attributes:
        unit: ``"page"`` where pages are known, else ``"line"``; lines of a page resemble each
            other, so that lines alone would give intervals that are too narrow.
        units: how many there are.
        level: percent of the draws that an interval holds.
        pages: where the pages are known from: ``"given"``, ``"guessed"`` from file names, or
            ``""``.
    """

    unit: str
    units: int
    pages: str
    draws: int = DRAWS
    seed: int = SEED
    level: int = LEVEL

    @property
    def words(self) -> str:
        """``7 pages (guessed from file names; few, so too narrow)``."""
        notes = ["guessed from file names"] if self.pages == "guessed" else []
        notes += ["few, so too narrow"] if self.units < FEW else []
        return counted(self.units, self.unit) + (f" ({'; '.join(notes)})" if notes else "")


@dataclass(frozen=True)
class ConfidenceScores:
    """Lines of similar confidence; as ``metrics.ConfidenceBin``, with percentages.

    Attributes:
        low, high: bounds of the bin, 0-1.
        confidence: their mean, 0-1.
    """

    low: float
    high: float
    lines: int
    confidence: float
    exact_match: float
    cer: float


@dataclass(frozen=True)
class Report:
    """Scores are percentages, 0-100; ``cer`` and ``wer`` may pass 100.

    Attributes:
        n: lines scored; an unreadable picture counts as an empty prediction of confidence 0.
        unreadable: pictures among them that could not be read.
        skipped: what the set holds beside them and could not be had as a line; not scored.
        intervals: of the six scores, what ``resampling`` gave.
        ece: expected calibration error, 0-1: confidence against the share of lines that are right.
            None, as all that asks for confidences, where there are none.
        aurc: area under the rejection curve: the CER of what is kept, averaged over all shares.
        cer_kept: points of that curve: percentage of lines kept, and their CER.
        rejection: the whole curve at up to 100 points, as pairs of the same.
        confusions: most frequent first.
    """

    model: str
    protocol: str
    normalization: str
    n: int
    unreadable: int
    skipped: int
    cer: float
    wer: float
    exact_match: float
    precision: float
    recall: float
    f1: float
    intervals: dict[str, tuple[float, float]]
    resampling: Resampling
    ece: float | None
    aurc: float | None
    cer_kept: dict[str, float] | None
    reliability: list[ConfidenceScores] | None
    rejection: list[tuple[float, float]] | None
    confusions: list[Confusion]
    by_class: list[ClassErrors]
    by_length: list[BinScores]
    lines_per_second: float | None
    decoding: str | None
    device: str | None
    dtype: str | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Scored:
    """Normalised texts of a set, and what their scores are made of.

    Attributes:
        lines: (lines, 8), as of ``metrics.line_counts``.
        units: (units, 8), the same by what is resampled; their sum makes the scores.
        unit: ``"page"`` or ``"line"``.
    """

    predicted: list[str]
    true: list[str]
    lines: IntArray
    units: IntArray
    unit: str


def pages_for(
    lines: Sequence[LabelledLine], protocol: ScoringProtocol, pattern: str | None = None
) -> Pages:
    """The pages of lines, see ``line_pages.pages_of``.

    Raises:
        UsageError: the protocol needs pages, and none are known; or the pattern is wrong.
    """
    pages = pages_of(lines, pattern)
    if protocol.by_page and not pages.source:
        raise UsageError(
            f"{protocol.name} needs to know the image of each line.",
            "Write a --page-pattern that captures it in the names of the files.",
        )
    return pages


def score(
    lines: Sequence[LabelledLine],
    predictions: Predictions,
    protocol: ScoringProtocol,
    *,
    pages: Pages | None = None,
    skipped: int = 0,
) -> Report:
    """Score what was read of labelled lines.

    Args:
        pages: of the lines; by default what `pages_for` finds.
        skipped: for the report.
    """
    pages = pages or pages_for(lines, protocol)
    found = scored(lines, predictions, protocol, pages)
    return report_of(found, bootstrap(found.units), predictions, protocol, pages, skipped)


def scored(
    lines: Sequence[LabelledLine],
    predictions: Predictions,
    protocol: ScoringProtocol,
    pages: Pages,
) -> Scored:
    """Normalise and count."""
    predicted = [protocol.normalize(text) for text in predictions.texts]
    true = [protocol.normalize(line.text) for line in lines]
    counts = line_counts(predicted, true)
    if not pages.source or (len(set(pages.names)) == 1 and not protocol.by_page):
        return Scored(predicted, true, counts, counts, "line")
    units = _by_page(counts, pages)
    if protocol.by_page:
        units[:, COUNTS.index("matched")] = _matched_by_page(predicted, true, pages)
    return Scored(predicted, true, counts, units, "page")


def _by_page(counts: IntArray, pages: Pages) -> IntArray:
    """(pages, 8): sums over the lines of each page, pages in the order of their first lines."""
    number = {name: i for i, name in enumerate(dict.fromkeys(pages.names))}
    sums = np.zeros((len(number), counts.shape[1]), np.int64)
    np.add.at(sums, [number[name] for name in pages.names], counts)
    return sums


def _matched_by_page(predicted: Sequence[str], true: Sequence[str], pages: Pages) -> list[int]:
    """Words that both sides have, all lines of a page together; in the order of `_by_page`."""
    words: dict[str, tuple[list[str], list[str]]] = {name: ([], []) for name in pages.names}
    for name, prediction, reference in zip(pages.names, predicted, true, strict=True):
        words[name][0].extend(prediction.split())
        words[name][1].extend(reference.split())
    return [matched_words(*both) for both in words.values()]


def report_of(
    found: Scored,
    drawn: FloatArray,
    predictions: Predictions,
    protocol: ScoringProtocol,
    pages: Pages,
    skipped: int,
) -> Report:
    """The report of a set that is counted; ``drawn`` is the ``bootstrap`` of its units."""
    table = confusions(found.predicted, found.true)
    scores: dict[str, Any] = {
        **{name: float(value) for name, value in scores_of(found.units.sum(0)).items()},
        **confidence_scores(found, predictions.confidences),
    }
    return Report(
        model=predictions.model,
        protocol=protocol.name,
        normalization=protocol.normalization,
        n=len(found.true),
        unreadable=predictions.unreadable,
        skipped=skipped,
        **scores,
        intervals={name: interval(values) for name, values in scores_of(drawn).items()},
        resampling=Resampling(
            found.unit, len(found.units), pages.source if found.unit == "page" else ""
        ),
        confusions=table,
        by_class=errors_by_class(table, found.true),
        by_length=errors_by_length(found.lines),
        lines_per_second=predictions.lines_per_second,
        decoding=predictions.decoding,
        device=predictions.device,
        dtype=predictions.dtype,
    )


def confidence_scores(found: Scored, confidences: Sequence[float] | None) -> dict[str, Any]:
    """What a `Report` says about confidence."""
    if confidences is None:
        names = ("ece", "aurc", "cer_kept", "reliability", "rejection")
        return dict.fromkeys(names)
    right = [text == label for text, label in zip(found.predicted, found.true, strict=True)]
    curve = rejection_curve(found.lines, confidences)
    kept = {share: max(1, round(len(curve) * share / 100)) for share in SHARES_KEPT}
    points = sorted({max(1, round(len(curve) * share / 100)) for share in range(1, 101)})
    return {
        "ece": expected_calibration_error(confidences, right),
        "aurc": sum(curve) / len(curve),
        "cer_kept": {str(share): curve[lines - 1] for share, lines in kept.items()},
        "reliability": _by_confidence(found, confidences, right),
        "rejection": [(100 * lines / len(curve), curve[lines - 1]) for lines in points],
    }


def _by_confidence(
    found: Scored, confidences: Sequence[float], right: Sequence[bool]
) -> list[ConfidenceScores]:
    which = confidence_bins(confidences)
    table = reliability(confidences, right)
    rows = []
    for one, index in zip(table, np.unique(which).tolist(), strict=True):
        cer = float(scores_of(found.lines[which == index].sum(0))["cer"])
        rows.append(
            ConfidenceScores(one.low, one.high, one.lines, one.confidence, 100 * one.right, cer)
        )
    return rows
