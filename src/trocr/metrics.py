"""Scores of recognised text against the truth, all as percentages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

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


def _percentage(part: int, whole: int) -> float:
    if whole == 0:
        return 0.0 if part == 0 else 100.0
    return 100 * part / whole


def _check_lengths(predictions: Sequence[str], references: Sequence[str]) -> None:
    if len(predictions) != len(references):
        raise UsageError(
            f"{len(predictions)} predictions for {len(references)} references.",
            "Give one prediction for each reference.",
        )
