"""Reading order on layouts drawn as geometry: the text of a line says what it is."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trocr.document import Line, Polygon, Region, Word, rectangle
from trocr.layout.columns import parted
from trocr.layout.order import regions_in_order

WIDTH, HEIGHT = 1200, 1600
PITCH = 30


def line(text: str, left: float, top: float, width: float, height: float = 20) -> Line:
    right, bottom = left + width, top + height
    return Line(text, ((left, top), (right, top), (right, bottom), (left, bottom)))


def column(
    name: str, left: float, top: float, rows: int, width: float = 480, pitch: float = PITCH
) -> list[Line]:
    """Running text, ragged on the right, named a0, a1, …"""
    return [
        line(f"{name}{row}", left, top + row * pitch, width - 13 * (row * 7 % 5))
        for row in range(rows)
    ]


def texts(regions: Sequence[Region]) -> list[str]:
    return [line.text for region in regions for line in region.lines]


def kinds(regions: Sequence[Region]) -> list[str]:
    return [region.kind for region in regions]


def ordered(lines: Sequence[Line]) -> tuple[Region, ...]:
    """In order; from the last to the first they must give the same."""
    found = regions_in_order(lines, WIDTH, HEIGHT)
    assert regions_in_order(lines[::-1], WIDTH, HEIGHT) == found
    return found


def names(lines: Sequence[Line]) -> list[str]:
    return [line.text for line in lines]


def turned(lines: Sequence[Line], degrees: float) -> list[Line]:
    """Clockwise about the page's centre, so that lines fall to the right."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def point(x: float, y: float) -> tuple[float, float]:
        x, y = x - WIDTH / 2, y - HEIGHT / 2
        return x * cosine - y * sine + WIDTH / 2, x * sine + y * cosine + HEIGHT / 2

    return [replace(item, polygon=tuple(point(x, y) for x, y in item.polygon)) for item in lines]


def test_nothing_gives_nothing() -> None:
    assert regions_in_order([], WIDTH, HEIGHT) == ()


def test_gaps_part_paragraphs() -> None:
    lines = column("a", 100, 100, 4) + column("b", 100, 260, 5)
    found = ordered(lines)
    assert [names(region.lines) for region in found] == [names(lines[:4]), names(lines[4:])]


def test_indents_part_paragraphs() -> None:
    lines = column("a", 100, 100, 12)
    for start in (4, 9):
        lines[start] = line(f"a{start}", 150, 100 + start * PITCH, 430)
    found = ordered(lines)
    assert [len(region.lines) for region in found] == [4, 5, 3]
    assert texts(found) == names(lines)


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("phase", [0, 9, 15])
@pytest.mark.parametrize("degrees", [-4, 0, 2])
def test_columns_are_read_one_after_the_other(columns: int, phase: int, degrees: float) -> None:
    room = 1000 / columns
    lines = [
        item
        for index in range(columns)
        for item in column("abc"[index], 100 + index * room, 100 + index * phase, 20, room - 40)
    ]
    assert texts(ordered(turned(lines, degrees))) == names(lines)


def test_headings_across_columns_part_what_is_above_and_below() -> None:
    lines = [
        line("title", 200, 40, 800, 40),
        *column("a", 100, 120, 8),
        *column("b", 620, 120, 8),
        line("across", 150, 420, 900, 40),
        *column("c", 100, 500, 9),
        *column("d", 620, 507, 9),
    ]
    found = ordered(lines)
    assert texts(found) == names(lines)
    assert [region.kind for region in found if region.lines[0].text in ("title", "across")] == [
        "heading",
        "heading",
    ]
    assert kinds(found).count("heading") == 2


def test_running_head_and_page_number_belong_to_no_column() -> None:
    head, number = line("head", 640, 20, 200), line("number", 1080, 1500, 20)
    lines = [head, *column("a", 100, 100, 40), *column("b", 620, 100, 40), number]
    assert texts(ordered(lines)) == names(lines)


@pytest.mark.parametrize("degrees", [-3, 0, 3])
def test_receipts_come_row_by_row(degrees: float) -> None:
    lines = [line("SHOP", 400, 40, 400, 36), line("street", 450, 90, 300)]
    for row in range(9):
        top = 150 + row * PITCH
        lines.append(line(f"item{row}", 200, top, 200 + 60 * (row * 3 % 5)))
        lines.append(line(f"price{row}", 900, top + 2 * (row % 2), 70))
    lines.append(line("thanks", 400, 500, 400))
    assert texts(ordered(turned(lines, degrees))) == names(lines)


def test_rows_of_a_leaning_receipt_are_found_from_upright_boxes() -> None:
    lines = []
    for row in range(9):
        lines.append(line(f"item{row}", 200, 150 + row * PITCH, 200 + 60 * (row * 3 % 5)))
        fall = 0.03 * (935 - 200 - 30 * (row * 3 % 5) - 100)
        lines.append(line(f"price{row}", 900, 150 + row * PITCH + fall, 70))
    assert texts(ordered(lines)) == names(lines)


def test_tables_are_read_by_rows_with_the_text_around_them() -> None:
    table = [
        line(f"{row}{name}", 100 + at, 300 + row * 40, 60 + 17 * ((row + at) % 4))
        for row in range(6)
        for name, at in (("a", 0), ("b", 300), ("c", 600))
    ]
    lines = [*column("before", 100, 100, 5, 1000), *table, *column("after", 100, 600, 5, 1000)]
    found = ordered(lines)
    assert texts(found) == names(lines)
    assert kinds(found) == ["text", "table", "text"]
    assert names(found[1].lines) == names(table)


@pytest.mark.parametrize(("left", "place"), [(60, 1), (1020, 2)])
def test_marginalia_go_with_the_paragraph_they_stand_beside(left: float, place: int) -> None:
    first, second = column("a", 250, 100, 8, 740), column("b", 250, 400, 10, 740)
    notes = [line("note0", left, 465, 130), line("note1", left, 487, 90)]
    found = ordered([*first, *second, *notes])
    assert kinds(found)[place] == "marginalia"
    assert kinds(found).count("marginalia") == 1
    assert names(found[place].lines) == ["note0", "note1"]
    assert [text for text in texts(found) if "note" not in text] == names(first + second)


def test_letters_keep_addresses_and_dates_together() -> None:
    address = [line(f"address{row}", 750, 60 + row * PITCH, 240 + 20 * row) for row in range(3)]
    date = line("date", 100, 60 + 2 * PITCH, 170)
    greeting = line("Dear Sir", 100, 250, 160)
    body = column("a", 100, 310, 9, 1000)
    end = [line("yours", 600, 620, 200), line("name", 650, 680, 220)]
    lines = [*address, date, greeting, *body, *end]
    assert texts(ordered(lines)) == names(lines)


def test_overlapping_handwriting_with_insertions() -> None:
    def wavy(text: str, left: float, middle: float, width: float, reach: float) -> Line:
        xs = [left + width * step / 20 for step in range(21)]
        above = [(x, middle - (reach if i % 4 == 1 else 14)) for i, x in enumerate(xs)]
        below = [(x, middle + (reach if i % 5 == 2 else 14)) for i, x in enumerate(xs)]
        return Line(text, (*above, *below[::-1]))

    lines = [wavy(f"a{row}", 100, 200 + 40 * row, 900, 38) for row in range(6)]
    lines.insert(3, wavy("inserted", 700, 300, 130, 12))
    assert texts(ordered(lines)) == names(lines)


def test_words_say_where_a_line_is_and_lines_without_a_place_come_last() -> None:
    [first, second] = column("a", 100, 100, 2)
    by_words = Line("words", words=(Word("words", (100, 70, 180, 90)),))
    found = ordered([Line("nowhere"), second, by_words, first])
    assert texts(found) == ["words", "a0", "a1", "nowhere"]
    assert found[-1].polygon == ()


def test_outlines_of_regions_hold_their_lines_and_run_clockwise() -> None:
    lines = turned(column("a", 100, 100, 6), 3)
    [region] = ordered(lines)
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise((*region.polygon, region.polygon[0])):
        area += x0 * y1 - x1 * y0
        for x, y in (point for item in lines for point in item.polygon):
            assert (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > -1e-6
    assert area > 0


def test_a_thousand_lines_take_less_than_a_second() -> None:
    lines = [
        line(f"{index}", 100 + index % 4 * 270, 10 + index // 4 * 6.3, 130 + index % 90, 4)
        for index in range(1000)
    ]
    started = time.process_time()
    assert len(texts(regions_in_order(lines, WIDTH, HEIGHT))) == 1000
    assert time.process_time() - started < 1


def box(draw: tuple[int, int, int, int]) -> Polygon:
    left, top, width, height = draw
    return rectangle((left, top, left + width, top + height))


COORDINATES = st.floats(-50, 1700, allow_subnormal=False)  # a training run before switches them off
POINTS = st.tuples(COORDINATES, COORDINATES)
OUTLINES = st.one_of(
    st.tuples(
        st.integers(0, 1100), st.integers(0, 1500), st.integers(0, 900), st.integers(0, 90)
    ).map(box),
    st.lists(POINTS, max_size=6).map(tuple),
)


@settings(deadline=None)
@given(st.lists(OUTLINES, max_size=30), st.randoms(use_true_random=False))
def test_every_line_appears_once_whatever_the_order(
    outlines: list[Polygon], random: Random
) -> None:
    lines = [Line(f"{index}", outline) for index, outline in enumerate(outlines)]
    found = regions_in_order(lines, WIDTH, HEIGHT)
    assert Counter(texts(found)) == Counter(names(lines))
    random.shuffle(lines)
    assert regions_in_order(lines, WIDTH, HEIGHT) == found


def test_columns_are_parted_before_their_lines_are_joined() -> None:
    left, right = column("a", 100, 100, 12), column("b", 620, 107, 12)
    title = [line("title", 300, 40, 600, 40)]
    groups = parted([item.polygon for item in (*right, *title, *left)], 0)
    assert sorted(groups) == [list(range(12)), [12], list(range(13, 25))]


def test_rows_of_receipts_are_not_parted() -> None:
    items = [line("", 200, 150 + PITCH * row, 200 + 60 * (row * 3 % 5)) for row in range(12)]
    prices = [line("", 900, 150 + PITCH * row, 70) for row in range(12)]
    outlines = [item.polygon for item in (*items, *prices)]
    assert parted(outlines, 0) == [list(range(24))]
    assert parted([], 0) == []
