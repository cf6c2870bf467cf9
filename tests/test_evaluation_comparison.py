"""Two readings of the same lines."""

from __future__ import annotations

import pytest

from trocr.evaluation.comparison import ChangedLine, compare
from trocr.evaluation.predictions import Predictions
from trocr.evaluation.protocols import scoring_protocol
from trocr.labelled_lines import LabelledLine


def lines(*texts: str) -> list[LabelledLine]:
    return [LabelledLine(f"{number}.png", b"", text) for number, text in enumerate(texts)]


def read(*texts: str) -> Predictions:
    return Predictions("reader", list(texts), None)


def test_differences_are_model_minus_against() -> None:
    labels = lines("abcd", "efgh", "ijkl", "mnop")
    found = compare(
        labels,
        read("abcd", "efgh", "ijkl", "mnoX"),
        read("abXX", "eXXX", "ijkX", "mnoX"),
        scoring_protocol("cer"),
    )
    assert (found.model.cer, found.against.cer) == (
        pytest.approx(100 / 16),
        pytest.approx(700 / 16),
    )
    cer = found.differences["cer"]
    assert cer.difference == pytest.approx(-600 / 16)
    assert cer.low < cer.difference < cer.high < 0
    assert cer.p == 4 / 16  # the fourth line may be on either side
    assert found.differences["exact_match"].difference == 75.0
    assert found.test == "paired randomisation test, two-sided, by line"


def test_intervals_are_of_the_same_draws_for_both() -> None:
    labels = lines(*["abcd"] * 30)
    noisy = [("abcX" if number % 3 else "XXXX") for number in range(30)]
    worse = [text[:-2] + "XX" for text in noisy]  # one more edit in two lines of three
    found = compare(labels, read(*noisy), read(*noisy), scoring_protocol("cer"))
    assert all((one.low, one.high, one.p) == (0, 0, 1) for one in found.differences.values())
    assert found.changed == []
    found = compare(labels, read(*noisy), read(*worse), scoring_protocol("cer"))
    difference, (low, high) = found.differences["cer"], found.model.intervals["cer"]
    assert difference.high - difference.low < (high - low) / 2
    assert difference.p == 1 / 2001


def test_lines_that_changed_most_improved_first() -> None:
    labels = lines("Abcd", "Efgh", "Ijkl", "Mnop")
    found = compare(
        labels,
        read("abcX", "EFGH", "ijkl", "mno"),
        read("ABCD", "XXXX", "ijkX", "mn"),
        scoring_protocol("cer", ignore_case=True),
    )
    assert found.changed == [
        ChangedLine("1.png", "efgh", "efgh", "xxxx", 0, 4),
        ChangedLine("2.png", "ijkl", "ijkl", "ijkx", 0, 1),
        ChangedLine("3.png", "mnop", "mno", "mn", 1, 2),
        ChangedLine("0.png", "abcd", "abcx", "abcd", 1, 0),
    ]
    assert [line.gain for line in found.changed] == [4, 1, 1, -1]


def test_pages_change_sides_whole() -> None:
    labels = [LabelledLine(f"{i}.png", b"", "ab", page=f"{i // 10}") for i in range(40)]
    found = compare(labels, read(*["ab"] * 40), read(*["aX"] * 40), scoring_protocol("sroie"))
    assert found.differences["f1"].p == 2 / 16
    assert found.test.endswith("by page")
