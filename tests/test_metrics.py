"""Scores against values worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trocr.errors import UsageError
from trocr.metrics import (
    character_error_rate,
    exact_match,
    expected_calibration_error,
    line_counts,
    rejection_curve,
    reliability,
    scores_of,
    sroie_scores,
    word_error_rate,
)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("kitten", "sitting", 100 * 3 / 7),
        ("", "abcd", 100.0),
        ("abcdefgh", "abcd", 100.0),
        ("abcdefghi", "abc", 200.0),
        ("RM 1.50", "RM1.50", 100 / 6),
        ("Ä", "A", 100.0),
        ("", "", 0.0),
        ("x", "", 100.0),
    ],
)
def test_character_error_rate(prediction: str, reference: str, expected: float) -> None:
    assert character_error_rate([prediction], [reference]) == pytest.approx(expected)


def test_error_rates_weigh_lines_by_their_length() -> None:
    predictions, references = ["a", "bbbbbbbbb"], ["x", "bbbbbbbbb"]
    assert character_error_rate(predictions, references) == pytest.approx(10.0)
    assert word_error_rate(["a", "b c d"], ["x", "b c d"]) == pytest.approx(25.0)


def test_words_are_split_at_any_white_space() -> None:
    assert word_error_rate([" a  b\tc "], ["a b c"]) == 0.0
    assert sroie_scores([" a  b\tc "], ["a b c"]).f1 == 100.0


def test_exact_match_takes_every_character() -> None:
    assert exact_match(["a", "b ", "C", ""], ["a", "b", "c", ""]) == 50.0


def test_sroie_scores_match_words_as_multisets_line_by_line() -> None:
    # TOTAL and one of two "5.00" match in line 1; line 2 repeats a word; "x" is in another line.
    predictions = ["TOTAL 5.00 5,00", "a a a", ""]
    references = ["5.00 TOTAL 5.00 RM", "a b", "x"]
    scores = sroie_scores(predictions, references)
    assert scores.precision == pytest.approx(100 * 3 / 6)
    assert scores.recall == pytest.approx(100 * 3 / 7)
    assert scores.f1 == pytest.approx(100 * 6 / 13)


def test_sroie_scores_without_any_match() -> None:
    scores = sroie_scores(["a"], ["b"])
    assert (scores.precision, scores.recall, scores.f1) == (0.0, 0.0, 0.0)
    assert sroie_scores([""], ["b"]).f1 == 0.0


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5))
def test_the_truth_scores_full_marks(texts: list[str]) -> None:
    assert character_error_rate(texts, texts) == word_error_rate(texts, texts) == 0.0
    assert exact_match(texts, texts) == 100.0
    if any(text.split() for text in texts):
        assert sroie_scores(texts, texts).f1 == pytest.approx(100.0)


def test_counts_of_lines_add_up_to_the_scores() -> None:
    counts = line_counts(["a b", "", "c c"], ["a x", "y", "c c"])
    assert counts.tolist() == [
        [1, 3, 1, 2, 0, 1, 1, 2],
        [1, 1, 1, 1, 0, 1, 0, 0],
        [0, 3, 0, 2, 1, 1, 2, 2],
    ]
    found = scores_of(counts.sum(0))
    assert {name: round(float(value), 4) for name, value in found.items()} == {
        "cer": 28.5714,
        "wer": 40.0,
        "exact_match": 33.3333,
        "precision": 75.0,
        "recall": 60.0,
        "f1": 66.6667,
    }
    by_line = scores_of(counts)
    assert by_line["cer"] == pytest.approx([100 / 3, 100, 0])
    assert line_counts([], []).shape == (0, 8)


@pytest.mark.parametrize(
    "score", [character_error_rate, word_error_rate, exact_match, sroie_scores, line_counts]
)
def test_unequal_lengths_are_refused(score: object) -> None:
    with pytest.raises(UsageError, match="1 predictions for 2 references"):
        score(["a"], ["a", "b"])  # type: ignore[operator]


def test_calibration_error_averages_over_bins() -> None:
    # Two bins of four: (0.6 + 0.7) against one right line; 1.0 and 0.9 against two.
    confidences, right = [0.6, 0.7, 1.0, 0.9], [True, False, True, True]
    assert expected_calibration_error(confidences, right, bins=4) == pytest.approx(
        (abs(1.3 - 1) + abs(1.9 - 2)) / 4
    )
    assert expected_calibration_error([0.0, 1.0], [False, True]) == 0.0
    assert expected_calibration_error([0.0, 1.0], [True, False]) == 1.0
    assert expected_calibration_error([], []) == 0.0


def test_reliability_leaves_out_empty_bins() -> None:
    table = reliability([0.6, 0.7, 1.0, 0.9], [True, False, True, True], bins=4)
    assert [(one.low, one.high, one.lines) for one in table] == [(0.5, 0.75, 2), (0.75, 1.0, 2)]
    assert [one.confidence for one in table] == pytest.approx([0.65, 0.95])
    assert [one.right for one in table] == [0.5, 1.0]


def test_rejection_curve_keeps_the_surest_lines() -> None:
    counts = line_counts(["ab", "cx", "ef"], ["ab", "cd", "gh"])
    assert rejection_curve(counts, [0.9, 0.5, 0.2]) == pytest.approx([0.0, 25.0, 50.0])
    assert rejection_curve(counts, [0.2, 0.5, 0.9]) == pytest.approx([100.0, 75.0, 50.0])
    assert rejection_curve(counts, [0.5, 0.5, 0.5]) == pytest.approx([0.0, 25.0, 50.0])
    with pytest.raises(UsageError, match="2 predictions for 3 references"):
        rejection_curve(counts, [0.2, 0.5])
