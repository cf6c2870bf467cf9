"""Pages to documents: what is found where, in order, whatever way the page lies."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pages import BAR, LEFT, PITCH, BarReader, bar_page, find_bars, pdf_of
from PIL import Image

import trocr
from trocr import pipeline
from trocr.document import Document, Line, Page, Region, rectangle
from trocr.errors import ImageError, UsageError
from trocr.pages import PageFailure, PageImage
from trocr.pipeline import Settings, draft, read, read_each, read_stream

CLOCKWISE = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


@pytest.fixture(autouse=True)
def bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are bars; standing pages are those that are higher than wide."""
    monkeypatch.setattr(draft, "find_lines", find_bars)
    monkeypatch.setattr(draft, "quarter_turn", lambda image: 90 * (image.height > image.width))


@pytest.fixture
def reader() -> BarReader:
    return BarReader()


def read_page(picture: Any, reader: BarReader, **options: Any) -> Page:
    [page] = read(picture, model=reader, **options)
    return page


def boxes(page: Page) -> list[tuple[int, int, int, int]]:
    return [line.box for line in page.lines]


def word_sides(page: Page) -> list[int]:
    return [side for line in page.lines for word in line.words for side in word.box]


def test_a_page_has_its_lines_where_they_are(reader: BarReader, tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    bar_page(100, 200, 150).save(path, dpi=(150, 150))
    document = read(path, model=reader)
    assert (document.source, document.model, len(document)) == (str(path), "bars", 1)
    [page] = document
    assert [line.text for line in page.lines] == ["100", "200", "150"]
    assert (page.width, page.height, page.orientation, page.skew) == (400, 300, 0, 0)
    assert (page.number, page.source, page.dpi) == (1, str(path), pytest.approx(150, abs=0.1))
    assert boxes(page)[1] == (LEFT, 2 * PITCH, LEFT + 200, 2 * PITCH + BAR + 4)
    line = next(page.lines)
    assert (line.confidence, line.finish_reason) == (0.9, "eos")
    assert line.baseline
    assert page.regions[0].polygon


def test_words_are_moved_from_their_crop_to_the_page(reader: BarReader) -> None:
    for line in read_page(bar_page(100, 200), reader).lines:
        [word] = line.words
        assert word.text == line.text
        assert word.confidence == 0.9
        assert word.box == pytest.approx(line.box, abs=1)
    assert reader.options["words"] is True
    read_page(bar_page(100), reader, words=False)
    assert reader.options["words"] is False


def test_confidences_and_places_have_few_digits(
    reader: BarReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Line("", ((40.123456, 60), (140, 60), (140, 84), (40, 84)))
    monkeypatch.setattr(draft, "find_lines", lambda image, detector: (found,))
    unrounded = reader._read
    monkeypatch.setattr(
        reader, "_read", lambda image: replace(unrounded(image), confidence=0.123456789)
    )
    [line] = read_page(bar_page(100), reader).lines
    assert line.confidence == 0.1235
    assert line.polygon[0] == (40.1, 60)


def test_a_long_page_may_lie_on_its_side(
    reader: BarReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    upright = bar_page(*range(100, 200, 10), size=(300, 700))
    assert upright.height > 2 * upright.width, "so that on its side it has the shape of a line"
    monkeypatch.setattr(draft, "quarter_turn", lambda image: 90 * (image.height < image.width))
    page = read_page(upright.transpose(CLOCKWISE[270]), reader)
    assert page.orientation == 90
    assert [line.text for line in page.lines] == [str(bar) for bar in range(100, 200, 10)]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_page_may_lie_in_any_way(reader: BarReader, turn: int) -> None:
    upright = bar_page(100, 200, 150)
    picture = upright.transpose(CLOCKWISE[360 - turn]) if turn else upright
    page = read_page(picture, reader)
    assert page.orientation == turn
    assert (page.width, page.height) == picture.size
    assert [line.text for line in page.lines] == ["100", "200", "150"]
    assert [line.confidence for line in page.lines] == [0.9] * 3
    expected = read_page(upright, reader)
    assert boxes(page.turned(turn)) == boxes(expected)
    assert word_sides(page.turned(turn)) == pytest.approx(word_sides(expected), abs=1)


def test_an_unsure_page_that_is_no_better_upside_down_stays(reader: BarReader) -> None:
    squares = bar_page(20, 20)  # these look the same both ways
    page = read_page(squares, reader)
    assert page.orientation == 0


def test_a_blank_page_has_nothing(reader: BarReader) -> None:
    page = read_page(bar_page(), reader)
    assert (page.regions, page.text, page.confidence) == ((), "", None)
    assert reader.calls == []


def test_lines_without_text_are_left_out(
    reader: BarReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = Line("", rectangle((40, 200, 140, 220)))
    monkeypatch.setattr(draft, "find_lines", lambda image, detector: (*find_bars(image), paper))
    page = read_page(bar_page(100, 200), reader)
    assert reader.calls == [3]
    assert [line.text for line in page.lines] == ["100", "200"]


def test_a_picture_of_a_line_is_one_line(reader: BarReader) -> None:
    strip = bar_page(300).crop((20, 50, 380, 95))
    page = read_page(strip, reader)
    assert [line.text for line in page.lines] == ["300"]
    assert boxes(page) == [(0, 0, *strip.size)]
    # Nothing is found on a faint one, and it is read all the same.
    faint = Image.eval(strip, lambda level: 150 + level // 3)
    read_page(faint, reader)
    assert reader.calls == [1, 1]


def test_a_small_picture_with_two_rows_is_two_lines(reader: BarReader) -> None:
    page = read_page(bar_page(300, 200, size=(800, 200)), reader)
    assert [line.text for line in page.lines] == ["300", "200"]


def test_a_line_in_a_wide_picture_is_found(reader: BarReader) -> None:
    page = read_page(bar_page(300, size=(800, 300)), reader)
    assert boxes(page) == [(LEFT, PITCH, LEFT + 300, PITCH + BAR + 4)]


def stream(count: int, seen: list[int]) -> Iterator[tuple[int, PageImage | PageFailure | str]]:
    for number in range(1, count + 1):
        seen.append(number)
        yield number, PageImage(bar_page(100, 10 * (number + 2)), "scan.pdf", number)


def test_lines_of_many_pages_share_batches(reader: BarReader) -> None:
    done = list(read_stream(reader, stream(5, []), Settings()))
    assert reader.calls == [10]
    assert [key for key, _ in done] == [1, 2, 3, 4, 5]
    assert [page.text.split()[1] for _, page in done] == ["30", "40", "50", "60", "70"]


def test_pages_come_before_all_have_been_drawn(reader: BarReader) -> None:
    seen: list[int] = []
    pages = read_stream(reader, stream(1000, seen), Settings(batch_size=4))
    first = next(pages)
    assert (first[0], len(seen)) == (1, 8)  # 16 lines, two a page
    assert [key for key, _ in itertools.islice(pages, 8)] == list(range(2, 10))
    assert len(seen) == 16


def test_large_pages_do_not_pile_up(reader: BarReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.streaming, "WINDOW_PIXELS", 300_000)
    seen: list[int] = []
    next(read_stream(reader, stream(100, seen), Settings()))
    assert len(seen) == 3


def test_what_is_no_page_keeps_its_place(reader: BarReader) -> None:
    failure = PageFailure("b.png", None, ImageError("b.png is damaged."))
    page = PageImage(bar_page(100), "a.png")
    items = [("a", page), ("b", failure), ("end", "of a"), ("c", page)]
    done = list(read_stream(reader, items, Settings()))
    assert [key for key, _ in done] == ["a", "b", "end", "c"]
    assert [type(value) for _, value in done] == [Page, PageFailure, str, Page]


def test_a_page_that_breaks_the_detector_costs_only_itself(
    reader: BarReader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stumbles(image: Image.Image, detector: str) -> tuple[Line, ...]:
        if len(find_bars(image)) == 2:
            raise ZeroDivisionError("of all things")
        return find_bars(image)

    monkeypatch.setattr(draft, "find_lines", stumbles)
    pages = [bar_page(100), bar_page(50, 60), bar_page(30)]
    first, second, third = read_each(pages, model=reader)
    assert (first.text, third.text) == ("100", "30")
    assert isinstance(second, PageFailure)
    assert "of all things" in second.error.message
    with pytest.warns(UserWarning, match="page 2 cannot be found: of all things"):
        document = read(pdf_of(pages, tmp_path / "x.pdf"), model=reader)
    assert [page.number for page in document] == [1, 3]


def test_an_unusable_detector_ends_it(reader: BarReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(UsageError, match="abacus"):
        read(bar_page(100), model=reader, detector="abacus")


def test_one_document_of_one_source(reader: BarReader, tmp_path: Path) -> None:
    pages = [bar_page(100), bar_page(200, 30), bar_page()]
    data = pdf_of(pages, tmp_path / "scan.pdf")
    for source in (tmp_path / "scan.pdf", str(tmp_path / "*.pdf"), tmp_path, data):
        document = read(source, model=reader)
        assert [page.number for page in document] == [1, 2, 3]
        assert document.text == "100\f200\n30\f"
    assert [page.number for page in read(data, model=reader, pages="2-")] == [2, 3]
    bar_page(50).save(tmp_path / "other.png")
    with pytest.raises(UsageError, match="more than one source"):
        read(tmp_path, model=reader)
    with pytest.raises(UsageError, match="nothing to read"):
        read([], model=reader)
    assert len(list(read_each(tmp_path, model=reader))) == 4


def test_what_cannot_be_read_is_an_error(reader: BarReader, tmp_path: Path) -> None:
    (tmp_path / "damaged.pdf").write_bytes(b"%PDF-1.7 and no more")
    for source in ("none.png", tmp_path / "damaged.pdf", b"", tmp_path / "*.tif"):
        with pytest.raises(ImageError):
            read(source, model=reader)


def test_settings_reach_the_reader(reader: BarReader) -> None:
    read(bar_page(100), model=reader, allow="0-9", num_beams=3, batch_size=7)
    wanted = {"allow": "0-9", "num_beams": 3, "batch_size": 7, "regex": None, "lexicon": None}
    assert reader.options == {**wanted, "words": True}
    with pytest.raises(TypeError, match="abacus"):
        read_each(bar_page(100), model=reader, abacus=True)


def test_text_that_a_pdf_holds_can_be_kept(reader: BarReader) -> None:
    kept = (
        Line("as it was", rectangle((10, 10, 90, 20))),
        Line("before", rectangle((10, 30, 90, 40))),
    )
    pages = [
        (1, PageImage(bar_page(100), "a.pdf", 1, 72, kept)),
        (2, PageImage(bar_page(100), "a.pdf", 2, 72, ())),
    ]
    for keep_text, texts in ((True, ["as it was\nbefore", "100"]), (False, ["100", "100"])):
        found = read_stream(reader, pages, Settings(keep_text=keep_text))
        assert [page.text for _, page in found] == texts
    assert sum(reader.calls) == 3


def test_the_public_names() -> None:
    assert (trocr.read, trocr.read_each) == (read, read_each)
    document = Document((Page(10, 10, (Region((Line("a", rectangle((0, 0, 9, 9))),)),)),))
    assert trocr.Document is Document
    assert trocr.write is not None
    assert document.text == "a"


def test_a_line_with_a_wide_gap_is_read_in_pieces(reader: BarReader) -> None:
    receipt = bar_page(100, 120)
    receipt.paste(bar_page(50).crop((LEFT, PITCH, LEFT + 50, PITCH + BAR + 4)), (300, PITCH))
    first, second = read_page(receipt, reader).lines
    assert reader.calls == [3]
    assert (first.text, second.text) == ("100 50", "120")
    assert first.confidence == pytest.approx(0.81)  # right if both are
    assert first.box == (LEFT, PITCH, 350, PITCH + BAR + 4)
    assert [word.text for word in first.words] == ["100", "50"]
    assert first.words[1].box == pytest.approx((300, PITCH, 350, PITCH + BAR + 4), abs=1)
    # A rule is for the text of whole lines.
    first, second = read_page(receipt, reader, regex="[0-9 ]+").lines
    assert reader.calls == [3, 2]
    assert len(first.words) == 1
