"""Scores of recognised text against the truth, as percentages, and of the confidence in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from rapidfuzz.distance import Levenshtein

from .errors import UsageError


def character_error_rate(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Edits over reference characters, summed over all lines (may pass 100)."""
    _check_lengths(predictions, references)
    edits = sum(Levenshtein.distance(p, r) for p, r in zip(predictions, references, strict=True))
    return _percentage(edits, sum(map(len, references)))


def word_error_rate(predictions: Sequence[str], references: Sequence[str]) -> float:
    """The same over words, split at white space."""
    _check_lengths(predictions, references)
    pairs = [(p.split(), r.split()) for p, r in zip(predictions, references, strict=True)]
    return _percentage(
        sum(Levenshtein.distance(p, r) for p, r in pairs), sum(len(r) for _, r in pairs)
    )


def exact_match(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Share of lines that are right in every character."""
    _check_lengths(predictions, references)
    right = sum(p == r for p, r in zip(predictions, references, strict=True))
    return _percentage(right, len(references))


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
    _check_lengths(predictions, references)
    matched = predicted = true = 0
    for prediction, reference in zip(predictions, references, strict=True):
        predicted_words, true_words = Counter(prediction.split()), Counter(reference.split())
        matched += (predicted_words & true_words).total()
        predicted += predicted_words.total()
        true += true_words.total()
    precision, recall = _percentage(matched, predicted), _percentage(matched, true)
    f1 = 2 * precision * recall / (precision + recall) if matched else 0.0
    return WordScores(precision, recall, f1)


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
    _check_lengths(confidences, right)
    surplus = [0.0] * bins
    for confidence, is_right in zip(confidences, right, strict=True):
        surplus[min(int(confidence * bins), bins - 1)] += confidence - is_right
    return sum(map(abs, surplus)) / max(1, len(right))


def rejection_curve(
    predictions: Sequence[str], references: Sequence[str], confidences: Sequence[float]
) -> list[float]:
    """Character error rate of what is kept, the least confident lines rejected.

    Returns:
        percentages; item ``k`` is over the ``k + 1`` most confident lines. Lines of equal
        confidence are kept or rejected in the order they have.
    """
    _check_lengths(predictions, references)
    _check_lengths(confidences, references)
    order = sorted(range(len(confidences)), key=lambda i: -confidences[i])
    edits = accumulate(Levenshtein.distance(predictions[i], references[i]) for i in order)
    characters = accumulate(len(references[i]) for i in order)
    return [_percentage(part, whole) for part, whole in zip(edits, characters, strict=True)]


def _percentage(part: int, whole: int) -> float:
    if whole == 0:
        return 0.0 if part == 0 else 100.0
    return 100 * part / whole


def _check_lengths(predictions: Sequence[object], references: Sequence[object]) -> None:
    if len(predictions) != len(references):
        raise UsageError(
            f"{len(predictions)} predictions for {len(references)} references.",
            "Give one prediction for each reference.",
        )
