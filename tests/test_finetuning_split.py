"""Lines to train on and to validate on: nothing of one side may help to read the other."""

from __future__ import annotations

import pytest

from trocr.errors import DataError, UsageError
from trocr.labelled_lines import LabelledLine
from trocr.line_pages import pages_of
from trocr.training.finetuning.split import Split, set_apart, split_lines


def numbered(names: list[str], page: str = "") -> list[LabelledLine]:
    return [LabelledLine(name, name.encode(), "text", page) for name in names]


def on_pages(*sizes: int) -> list[LabelledLine]:
    """Lines of given pages, named without a hint to them."""
    return [
        LabelledLine(f"{page}x{number}.png", b"%d %d" % (page, number), "text", f"page {page}")
        for page, size in enumerate(sizes)
        for number in range(size)
    ]


def pages(lines: list[LabelledLine]) -> set[str]:
    return set(pages_of(lines).names)


def shared_pages(split: Split, lines: list[LabelledLine]) -> set[str]:
    page_of = dict(zip((line.file for line in lines), pages_of(lines).names, strict=True))
    sides = [{page_of[line.file] for line in side} for side in (split.train, split.validation)]
    return sides[0] & sides[1]


@pytest.mark.parametrize(
    ("pattern", "page"),
    [
        ("images/{}_{:03d}.png", "images/{}"),
        ("{}-l{:03d}.jpg", "{}"),
        ("{}/{:04d}.bin.png", "{}"),
        ("{}/line_{}.webp", "{}"),
        ("{}_region_1_line_{}.tif", "{}"),
        ("book.pdf_page_{}_{:02d}.png", "book.pdf_page_{}"),
        ("{}/crop-{}-a.png", "{}"),
    ],
)
def test_pages_are_guessed_from_names(pattern: str, page: str) -> None:
    lines = numbered([pattern.format(p, n) for p in ("0a", "0b", "0c") for n in range(8)])
    guess = pages_of(lines)
    assert (guess.source, guess.count) == ("guessed", 3)
    assert set(guess.names) == {page.format(p) for p in ("0a", "0b", "0c")}


@pytest.mark.parametrize(
    "names",
    [
        [f"images/line_{number:05d}.png" for number in range(100)],
        [f"{number:05d}.png" for number in range(100)],
        [f"{number * 7919 % 65521:04x}{number}.png" for number in range(100)],
        [f"{number}_1.png" for number in range(100)],
    ],
)
def test_other_names_suggest_no_pages(names: list[str]) -> None:
    assert pages_of(numbered(names)).source == ""
    assert split_lines(numbered(names)).by.startswith("by line: no pages known")


def test_pages_of_the_set_go_before_names() -> None:
    lines = [*numbered([f"a_{n}.png" for n in range(9)], "one"), *numbered(["loose.png"])]
    assert pages_of(lines).words == "1 page and 1 line on none of them"
    more = numbered([f"b{page}_{number}.png" for page in range(5) for number in range(5)])
    assert pages_of(lines[:9] + more).words == "6 pages"


@pytest.mark.parametrize(
    ("count", "validated"), [(2, 1), (20, 5), (200, 27), (2_000, 150), (20_000, 500)]
)
def test_the_default_share_falls_with_the_number_of_lines(count: int, validated: int) -> None:
    split = split_lines(numbered([f"{number}.png" for number in range(count)]))
    assert (len(split.train), len(split.validation)) == (count - validated, validated)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "sizes", [[10] * 4, [3, 40, 9, 25, 31, 12], [1] * 30, [200, *range(1, 40)], [25, 25, 26]]
)
def test_pages_stay_whole_and_the_share_is_near(sizes: list[int], seed: int) -> None:
    lines = on_pages(*sizes)
    split = split_lines(lines, 0.25, seed)
    assert split.by == f"by page ({len(sizes)} pages)"
    assert not shared_pages(split, lines)
    assert len(split.train) + len(split.validation) == len(lines)
    assert 0.1 < len(split.validation) / len(lines) < 0.4


def test_sides_depend_on_seed_not_on_order() -> None:
    lines = on_pages(*[10] * 20)
    validation = split_lines(lines).validation
    assert split_lines(lines[::-1]).validation == validation[::-1]
    assert split_lines(lines, seed=2).validation != validation


def test_of_one_page_the_last_lines_are_validated_on() -> None:
    lines = on_pages(40)
    split = split_lines(lines)
    assert split.train + split.validation == lines
    assert len(split.validation) == 8
    assert "its last lines" in split.by
    large = on_pages(500, 600)
    split = split_lines(large)
    assert split.validation == large[500 - len(split.validation) : 500]
    assert "the last lines of one" in split.by


@pytest.mark.parametrize("sizes", [(30,), (10, 10, 10), (1,) * 30])
def test_equal_pictures_are_on_one_side(sizes: tuple[int, ...]) -> None:
    lines = on_pages(*sizes)
    copies = [LabelledLine(f"copy {line.file}", line.image, "", "copy") for line in lines[::5]]
    split = split_lines([*copies, *lines])
    sides = [{line.image for line in side} for side in (split.train, split.validation)]
    assert not sides[0] & sides[1]
    assert all(sides)


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_no_side_is_empty(fraction: float) -> None:
    for lines in (on_pages(1, 1), on_pages(2), on_pages(1, 30), on_pages(7, 7, 7, 7)):
        split = split_lines(lines, fraction)
        assert split.train
        assert split.validation


def test_what_cannot_be_split() -> None:
    with pytest.raises(DataError, match="1 different"):
        split_lines([LabelledLine(name, b"same", "") for name in "ab"])
    with pytest.raises(DataError, match="0 different"):
        split_lines([])
    for fraction in (-0.1, 1.0):
        with pytest.raises(UsageError, match="not possible"):
            split_lines(on_pages(10), fraction)
    assert split_lines(on_pages(10), 0).validation == []


def test_what_a_set_of_its_own_holds_is_not_trained_on() -> None:
    lines = on_pages(10, 10)
    split = set_apart(lines, lines[15:])
    assert (split.train, split.validation) == (lines[:15], lines[15:])
    assert "5 lines" in split.by
    assert "left out" not in set_apart(lines[:10], lines[10:]).by
