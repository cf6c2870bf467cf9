"""Where the errors are: which characters, in labels of which length, at which confidence."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Levenshtein

from ..metrics import IntArray, scores_of

CLASSES = ("lowercase", "uppercase", "accented", "digit", "punctuation", "space", "other")
_KINDS = ("substituted", "deleted", "inserted")
LENGTHS = (1, 6, 11, 21, 41, 81)  # characters of a label at which the bins start


@dataclass(frozen=True)
class Confusion:
    """A character of the labels that was read as another.

    Attributes:
        label: empty for a character too much.
        prediction: empty for a character that is lost.
    """

    label: str
    prediction: str
    count: int


@dataclass(frozen=True)
class ClassErrors:
    """Errors of the characters of one class.

    Attributes:
        name: one of ``CLASSES``; letters with accents are only in ``"accented"``.
        characters: in the labels.
        substituted, deleted: characters of the labels.
        inserted: characters of the predictions.
        errors: the three together, in percent of ``characters``; 100 where there are none.
    """

    name: str
    characters: int
    substituted: int
    deleted: int
    inserted: int
    errors: float


@dataclass(frozen=True)
class BinScores:
    """Scores of the lines whose labels have ``low`` to ``high`` characters (None: no end)."""

    low: int
    high: int | None
    lines: int
    cer: float
    exact_match: float


def confusions(predictions: Sequence[str], references: Sequence[str]) -> list[Confusion]:
    """Substitutions, insertions and deletions of a shortest alignment, most frequent first."""
    found: Counter[tuple[str, str]] = Counter()
    for prediction, reference in zip(predictions, references, strict=True):
        for edit in Levenshtein.editops(reference, prediction):
            label = "" if edit.tag == "insert" else reference[edit.src_pos]
            read = "" if edit.tag == "delete" else prediction[edit.dest_pos]
            found[label, read] += 1
    return [
        Confusion(label, read, count)
        for (label, read), count in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    ]


def errors_by_class(found: Sequence[Confusion], references: Sequence[str]) -> list[ClassErrors]:
    """Errors by class of the label's character, or of the one too much; in order of ``CLASSES``."""
    characters: Counter[str] = Counter()
    for character, count in Counter("".join(references)).items():
        characters[character_class(character)] += count
    edits: Counter[tuple[str, str]] = Counter()
    for one in found:
        kind = (
            "substituted"
            if one.label and one.prediction
            else "deleted"
            if one.label
            else "inserted"
        )
        edits[character_class(one.label or one.prediction), kind] += one.count
    rows = []
    for name in CLASSES:
        substituted, deleted, inserted = (edits[name, kind] for kind in _KINDS)
        wrong, whole = substituted + deleted + inserted, characters[name]
        if wrong or whole:
            share = 100 * wrong / whole if whole else 100.0
            rows.append(ClassErrors(name, whole, substituted, deleted, inserted, share))
    return rows


def character_class(character: str) -> str:
    """One of ``CLASSES``, by Unicode's category and canonical decomposition."""
    category = unicodedata.category(character)
    if character.isspace():
        return "space"
    if any(map(unicodedata.combining, unicodedata.normalize("NFD", character))):
        return "accented"
    names = {"Ll": "lowercase", "Lu": "uppercase", "Lt": "uppercase", "Nd": "digit"}
    return names.get(category, "punctuation" if category.startswith("P") else "other")


def errors_by_length(counts: IntArray) -> list[BinScores]:
    """Scores by length of the label, shortest first; (lines, 8) as of ``line_counts``."""
    which = np.digitize(counts[:, 1], LENGTHS)
    rows = []
    for index in np.unique(which).tolist():
        scores = scores_of(counts[which == index].sum(0))
        rows.append(
            BinScores(
                low=LENGTHS[index - 1] if index else 0,
                high=LENGTHS[index] - 1 if index < len(LENGTHS) else None,
                lines=int((which == index).sum()),
                cer=float(scores["cer"]),
                exact_match=float(scores["exact_match"]),
            )
        )
    return rows
