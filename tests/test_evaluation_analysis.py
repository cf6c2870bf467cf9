"""Which errors are counted where."""

from __future__ import annotations

import pytest

from trocr.evaluation.analysis import (
    BinScores,
    ClassErrors,
    Confusion,
    character_class,
    confusions,
    errors_by_class,
    errors_by_length,
)
from trocr.metrics import line_counts


def test_confusions_are_counted_most_frequent_first() -> None:
    predictions = ["he1lo w0rld", "1ine", "abx", "tow ords"]
    references = ["hello world", "line", "ab", "two words"]
    assert confusions(predictions[:3], references[:3]) == [
        Confusion("l", "1", 2),
        Confusion("", "x", 1),
        Confusion("o", "0", 1),
    ]
    found = confusions(predictions, references)
    edits = line_counts(predictions, references)[:, 0].sum()
    assert sum(one.count for one in found) == edits
    assert confusions(["a"], ["a"]) == []


@pytest.mark.parametrize(
    ("characters", "name"),
    [
        ("aßﬁ", "lowercase"),
        ("AØ", "uppercase"),
        ("éÉñ\u0301", "accented"),
        ("07٣", "digit"),
        (".,-—“«", "punctuation"),
        (" \u00a0\t", "space"),
        ("€+²漢", "other"),
    ],
)
def test_classes_of_characters(characters: str, name: str) -> None:
    assert {character_class(character) for character in characters} == {name}


def test_errors_are_of_the_label_s_class_or_of_the_one_too_much() -> None:
    predictions, references = ["Ab, 3!", "e", ""], ["Ab. 34", "é", "É"]
    table = errors_by_class(confusions(predictions, references), references)
    assert table == [
        ClassErrors("lowercase", 1, 0, 0, 0, 0.0),
        ClassErrors("uppercase", 1, 0, 0, 0, 0.0),
        ClassErrors("accented", 2, 1, 1, 0, 100.0),
        ClassErrors("digit", 2, 1, 0, 0, 50.0),
        ClassErrors("punctuation", 1, 1, 0, 0, 100.0),
        ClassErrors("space", 1, 0, 0, 0, 0.0),
    ]
    inserted = errors_by_class(confusions(["a!"], ["a"]), ["a"])
    assert inserted[-1] == ClassErrors("punctuation", 0, 0, 0, 1, 100.0)


def test_errors_by_length_of_the_label() -> None:
    references = ["", "abcde", "abcdef", "a" * 90, "b" * 10]
    predictions = ["x", "abcde", "abc", "a" * 81, "b" * 10]
    assert errors_by_length(line_counts(predictions, references)) == [
        BinScores(0, 0, 1, 100.0, 0.0),
        BinScores(1, 5, 1, 0.0, 100.0),
        BinScores(6, 10, 2, 100 * 3 / 16, 50.0),
        BinScores(81, None, 1, 10.0, 0.0),
    ]
