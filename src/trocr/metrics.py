"""Scores of recognised text against the truth, as percentages, and of the confidence in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from .errors import UsageError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

# What every score is a ratio of; words are the reference's, `matched` of them are in the prediction
COUNTS = ("edits", "characters", "word_edits", "words", "right", "lines", "matched", "predicted")


def line_counts(predictions: Sequence[str], references: Sequence[str]) -> IntArray:
    """(lines, 8): the ``COUNTS`` of each line; their sums over lines make ``scores_of``."""
    _check_lengths(predictions, references)
    rows = [_counts(*pair) for pair in zip(predictions, references, strict=True)]
    return np.array(rows, np.int64).reshape(-1, len(COUNTS))


def _counts(prediction: str, reference: str) -> tuple[int, ...]:
    predicted, words = prediction.split(), reference.split()
    return (
        Levenshtein.distance(prediction, reference),
        len(reference),
        Levenshtein.distance(predicted, words),
        len(words),
        prediction == reference,
        1,
        matched_words(predicted, words),
        len(predicted),
    )


def matched_words(predicted: Sequence[str], true: Sequence[str]) -> int:
    """How many words both have, repeated ones as often as both have them."""
    return (Counter(predicted) & Counter(true)).total()


def scores_of(counts: NDArray[Any]) -> dict[str, FloatArray]:
    """Percentages ``cer``, ``wer``, ``exact_match``, ``precision``, ``recall`` and ``f1``.

    Args:
        counts: (..., 8) sums of ``COUNTS``.

    Returns:
        arrays of shape (...).
    """
    of = dict(zip(COUNTS, np.moveaxis(np.asarray(counts, np.float64), -1, 0), strict=True))
    return {
        "cer": _percentages(of["edits"], of["characters"]),
        "wer": _percentages(of["word_edits"], of["words"]),
        "exact_match": _percentages(of["right"], of["lines"]),
        "precision": _percentages(of["matched"], of["predicted"]),
        "recall": _percentages(of["matched"], of["words"]),
        "f1": _percentages(2 * of["matched"], of["predicted"] + of["words"]),
    }


def _percentages(part: FloatArray | np.float64, whole: FloatArray | np.float64) -> FloatArray:
    """Of an empty whole, an empty part is 0 and any other 100."""
    return np.where(whole > 0, 100 * part / np.maximum(whole, 1), 100.0 * (part > 0))


def character_error_rate(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Edits over reference characters, summed over all lines (may pass 100)."""
    _check_lengths(predictions, references)
    edits = sum(Levenshtein.distance(p, r) for p, r in zip(predictions, references, strict=True))
    return float(_percentages(np.float64(edits), np.float64(sum(map(len, references)))))


def word_error_rate(predictions: Sequence[str], references: Sequence[str]) -> float:
    """The same over words, split at white space."""
    return float(scores_of(line_counts(predictions, references).sum(0))["wer"])


def exact_match(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Share of lines that are right in every character."""
    return float(scores_of(line_counts(predictions, references).sum(0))["exact_match"])


@dataclass(frozen=True)
class WordScores:
    """Percentages over words."""

    precision: float
    recall: float
    f1: float


def sroie_scores(predictions: Sequence[str], references: Sequence[str]) -> WordScores:
    """Word precision, recall and F1 of SROIE task 2 (arXiv 2109.10282, section 4.1).

    Words are split at white space, compared exactly, and matched as multisets line by line.
    """
    found = scores_of(line_counts(predictions, references).sum(0))
    return WordScores(*(float(found[name]) for name in ("precision", "recall", "f1")))


@dataclass(frozen=True)
class ConfidenceBin:
    """Lines of similar confidence.

    Attributes:
        low, high: the bin's bounds, 0-1; it holds ``low`` and, but for the last, not ``high``.
        confidence: the mean of its lines, 0-1.
        right: the share of its lines that are right, 0-1.
    """

    low: float
    high: float
    lines: int
    confidence: float
    right: float


def confidence_bins(confidences: Sequence[float], bins: int = 15) -> IntArray:
    """(lines,): which of ``bins`` bins of equal width holds each confidence, 0-1."""
    found = (np.asarray(confidences, np.float64) * bins).astype(np.int64)
    return np.minimum(found, bins - 1)


def reliability(
    confidences: Sequence[float], right: Sequence[bool], bins: int = 15
) -> list[ConfidenceBin]:
    """Mean confidence and share of right lines, bin by bin; empty bins are left out.

    Args:
        confidences: 0-1.
        right: whether the text is right, line by line.
    """
    _check_lengths(confidences, right)
    which = confidence_bins(confidences, bins)
    lines = np.bincount(which, minlength=bins)
    sure = np.bincount(which, np.asarray(confidences, np.float64), bins)
    correct = np.bincount(which, np.asarray(right, np.float64), bins)
    return [
        ConfidenceBin(i / bins, (i + 1) / bins, n, float(sure[i]) / n, float(correct[i]) / n)
        for i, n in enumerate(lines.tolist())
        if n
    ]


def expected_calibration_error(
    confidences: Sequence[float], right: Sequence[bool], bins: int = 15
) -> float:
    """How far confidence is from the share of right lines, 0-1 (Guo et al. 2017, 1706.04599).

    Lines are put into ``bins`` of equal width in confidence; the distances between a bin's mean
    confidence and its share of right lines are averaged, each bin by its number of lines.

    Args:
        confidences: 0-1.
        right: whether the text is right, line by line.
    """
    table = reliability(confidences, right, bins)
    return sum(one.lines * abs(one.confidence - one.right) for one in table) / max(1, len(right))


def rejection_curve(counts: IntArray, confidences: Sequence[float]) -> list[float]:
    """Character error rate of what is kept, the least confident lines rejected.

    Args:
        counts: (lines, 8), of ``line_counts``.

    Returns:
        percentages; item ``k`` is over the ``k + 1`` most confident lines. Lines of equal
        confidence are kept or rejected in the order they have.
    """
    _check_lengths(confidences, counts)
    order = np.argsort(-np.asarray(confidences, np.float64), kind="stable")
    curve: list[float] = scores_of(counts[order].cumsum(0))["cer"].tolist()
    return curve


def _check_lengths(predictions: Sized, references: Sized) -> None:
    if len(predictions) != len(references):
        raise UsageError(
            f"{len(predictions)} predictions for {len(references)} references.",
            "Give one prediction for each reference.",
        )
