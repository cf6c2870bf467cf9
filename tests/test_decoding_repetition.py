"""The repetition guard fires on loops and on nothing that a line can hold."""

import pytest

from trocr.decoding import RepetitionGuard

TRUE_REPEATS = [
    "1010101010",
    "01" * 32,
    "-----",
    "Chapter 1" + "." * 60 + "17",
    "Chapter 1" + "." * 120,
    "=" * 80,
    "_" * 130,
    "- " * 60,
    ". " * 60 + "9",
    "-=" * 50,
    "ha ha ha ha",
    "ha " * 20,
    "0" * 64,
    "XXXX XXXX XXXX XXXX",
    "0.00 " * 14,
    "no no no no no",
    "Buffalo buffalo Buffalo buffalo buffalo buffalo Buffalo buffalo",
    "row, row, row your boat, gently down the stream",
    "very, very, very, very, very, very good",
]
LOOPS = [
    ("Invoice ", "the "),
    ("", "ab"),
    ("Total ", "0"),
    ("", "."),
    ("x", "- "),
    ("", "of the same kind as the other one and "),
    ("No. 12 ", "a longer unit of sixty characters that a decoder goes round in "),
]


def by_character(text):
    """Tokens that are characters: (ids, token_strings)."""
    strings = sorted(set(text))
    return [strings.index(char) for char in text], strings


def by_pieces(text, size=3):
    """Tokens of up to ``size`` characters: (ids, token_strings)."""
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    strings = sorted(set(pieces))
    return [strings.index(piece) for piece in pieces], strings


@pytest.mark.parametrize("text", TRUE_REPEATS)
@pytest.mark.parametrize("split", [by_character, by_pieces])
def test_true_repeats_are_left_alone(text, split):
    ids, strings = split(text)
    guard = RepetitionGuard(strings)
    assert not any(guard.is_loop(ids[:end]) for end in range(1, len(ids) + 1))
    assert guard.kept_length(ids) == len(ids)


@pytest.mark.parametrize("text", ["1010101010", "-----", "." * 60, "=" * 80, "ha ha ha ha"])
def test_true_repeats_without_token_strings(text):
    ids, _ = by_character(text)
    assert not RepetitionGuard().is_loop(ids)


@pytest.mark.parametrize(("start", "unit"), LOOPS)
def test_loops_are_found_and_cut_to_one_copy(start, unit):
    ids, strings = by_character(start + unit * (500 // len(unit)))
    guard = RepetitionGuard(strings)
    end = next(end for end in range(1, len(ids) + 1) if guard.is_loop(ids[:end]))
    assert end < 260 + len(start)
    kept = "".join(strings[token] for token in ids[: guard.kept_length(ids[:end])])
    assert kept.strip() == (start + unit).strip()


def test_loop_of_tokens_longer_than_a_character():
    strings = ["I", " am", " what"]
    ids = [0] + [1, 2] * 100
    guard = RepetitionGuard(strings)
    end = next(end for end in range(1, len(ids) + 1) if guard.is_loop(ids[:end]))
    assert 100 <= sum(len(strings[token]) for token in ids[1:end]) < 110
    assert guard.kept_length(ids[:end]) == 3


def test_loop_of_tokens_without_text():
    assert RepetitionGuard([None]).is_loop([0] * 200)
    assert RepetitionGuard().is_loop([3, 4] * 100)


def test_a_loop_that_was_left_again_is_no_loop():
    ids, strings = by_character("ab" * 200 + " end")
    assert not RepetitionGuard(strings).is_loop(ids)
