"""Intervals and tests, against values worked out by hand and by the binomial distribution."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from trocr.evaluation.predictions import Predictions
from trocr.evaluation.protocols import scoring_protocol
from trocr.evaluation.report import score
from trocr.evaluation.resampling import bootstrap, interval, p_values
from trocr.labelled_lines import LabelledLine
from trocr.metrics import line_counts, scores_of


def counts(edits: list[int], length: int = 10) -> np.ndarray:
    """Lines of ``length`` characters with so many of them wrong."""
    texts = ["x" * wrong + "a" * (length - wrong) for wrong in edits]
    return line_counts(texts, ["a" * length] * len(edits))


def test_two_lines_are_drawn_as_two_coins_fall() -> None:
    drawn = scores_of(bootstrap(counts([1, 3])))["cer"]
    shares = [float(np.isclose(drawn, value).mean()) for value in (10, 20, 30)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.04)
    assert interval(drawn) == pytest.approx((10, 30))


def test_the_interval_of_a_share_is_the_binomial_distribution_s() -> None:
    drawn = scores_of(bootstrap(counts([0] * 200 + [1] * 200)))["exact_match"]
    within = [k for k in range(401) if 0.025 <= cumulated(400, k) <= 0.975]
    assert interval(drawn) == pytest.approx((within[0] / 4, within[-1] / 4), abs=0.75)


def cumulated(n: int, most: int) -> float:
    return sum(comb(n, k) for k in range(most + 1)) / 2**n


def test_the_seed_and_the_parts_change_nothing() -> None:
    table = counts([0, 1, 2, 3])
    assert np.array_equal(bootstrap(table), bootstrap(table))
    assert not np.array_equal(bootstrap(table), bootstrap(table, seed=1))
    wide = np.hstack([table, 2 * table])
    assert np.array_equal(bootstrap(wide)[:, :8], bootstrap(table))
    many = counts([1] * 1500)  # drawn in several parts
    assert bootstrap(many).shape == (2000, 8)
    assert interval(scores_of(bootstrap(many))["cer"]) == (10.0, 10.0)


@pytest.mark.parametrize(
    ("edits", "against", "p"),
    [
        ([0, 0, 0], [1, 2, 3], 2 / 8),  # of 8 swaps, that of none and that of all
        ([1, 1, 1, 1], [2, 2, 2, 0], 10 / 16),  # +-1 +-1 +-1 +-1 at least 2 from 0
        ([0, 0, 1, 5], [2, 1, 2, 5], 4 / 16),  # a line that is read alike counts on no side
        ([1, 2], [1, 2], 1.0),
    ],
)
def test_few_lines_are_swapped_in_every_way(edits: list[int], against: list[int], p: float) -> None:
    assert p_values(counts(edits), counts(against), scores_of)["cer"] == pytest.approx(p)
    assert p_values(counts(against), counts(edits), scores_of)["cer"] == pytest.approx(p)


def test_many_lines_are_swapped_at_random() -> None:
    better, worse = counts([1] * 40), counts([2] * 40)
    assert p_values(better, worse, scores_of)["cer"] == 1 / 2001
    assert p_values(better, better, scores_of)["cer"] == 1.0
    # Ten of twelve lines better by one edit, two worse: the sign test.
    first, second = counts([1] * 12), counts([2] * 10 + [0] * 2)
    sign_test = 2 * (1 - cumulated(12, 9))
    assert p_values(first, second, scores_of)["cer"] == pytest.approx(sign_test, abs=0.015)


def test_pages_are_drawn_whole() -> None:
    # Of ten pages with ten lines each, five are read without a mistake and five wrong throughout.
    lines = [
        LabelledLine(f"{i}.png", b"", "ab", page=f"page {i // 10}" if paged else "")
        for paged in (True, False)
        for i in range(100)
    ]
    texts = Predictions("reader", ["ab" if i // 10 < 5 else "xx" for i in range(100)], None)
    by_page, by_line = (
        score(part, texts, scoring_protocol("cer")) for part in (lines[:100], lines[100:])
    )
    assert (by_page.resampling.unit, by_page.resampling.units) == ("page", 10)
    assert (by_line.resampling.unit, by_line.resampling.units) == ("line", 100)
    assert "few" in by_page.resampling.words
    assert "few" not in by_line.resampling.words
    assert by_page.cer == by_line.cer == 50.0
    assert by_page.intervals["cer"] == (20.0, 80.0)  # of 10 tosses, 2 to 8
    assert by_line.intervals["cer"] == pytest.approx((40.0, 60.0), abs=1.5)


def test_one_page_is_resampled_by_line() -> None:
    lines = [LabelledLine(f"{i}.png", b"", "ab", page="the only one") for i in range(10)]
    texts = Predictions("reader", ["ab", "xx"] * 5, None)
    found = score(lines, texts, scoring_protocol("sroie")).resampling
    assert (found.unit, found.units, found.pages) == ("line", 10, "")
    found = score(lines, texts, scoring_protocol("sroie-image")).resampling
    assert (found.unit, found.units, found.pages) == ("page", 1, "given")
