"""Lines where a file says that they are, instead of a detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pages import BAR, LEFT, PITCH, BarReader, bar_page, find_bars
from PIL import Image

from trocr.document import Document, Line, Page, Region, rectangle
from trocr.errors import DataError, ImageError
from trocr.pages import PageFailure
from trocr.pipeline import Boxes, draft, read, read_each
from trocr.writers import write

SECOND, FIRST = ((LEFT - 2, row * PITCH - 2, LEFT + 202, row * PITCH + BAR + 6) for row in (2, 1))


@pytest.fixture(autouse=True)
def bars(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(image: Image.Image, detector: str) -> tuple[Line, ...]:
        assert image.size != (400, 300), "the whole page is not searched"
        return find_bars(image)

    monkeypatch.setattr(draft, "find_lines", found)


@pytest.fixture
def given() -> Document:
    """Two lines, the lower one first, and one where there is nothing."""
    lines = [Line("old", rectangle(box), confidence=0.1) for box in (SECOND, FIRST)]
    nothing = Line("", rectangle((300, 250, 390, 270)))
    regions = (Region(tuple(lines), rectangle((10, 10, 390, 240)), "table"), Region((nothing,)))
    return Document((Page(400, 300, regions),), "scan.png")


def texts(boxes: Path, source: Any = None, **options: Any) -> list[str]:
    page = bar_page(100, 200, 150) if source is None else source
    document = read(page, model=BarReader(), boxes=boxes, **options)
    return [line.text for page in document for line in page.lines]


@pytest.mark.parametrize("format", ["page", "alto", "json"])
def test_lines_and_regions_of_a_file_are_kept(given: Document, tmp_path: Path, format: str) -> None:
    [file] = write(given, tmp_path / f"scan.{'json' if format == 'json' else 'xml'}", format)
    [page] = read(bar_page(100, 200, 150), model=BarReader(), boxes=file)
    assert [line.text for line in page.lines] == ["200", "100", ""]
    assert [line.confidence for line in page.lines] == [0.9, 0.9, 1.0]
    assert [len(region.lines) for region in page.regions] == [2, 1]
    assert page.regions[0].kind == "table"
    assert next(page.lines).box == SECOND


def test_boxes_of_a_smaller_picture_are_scaled(given: Document, tmp_path: Path) -> None:
    [file] = write(given, tmp_path / "scan.json")
    large = bar_page(100, 200).resize((1200, 900), Image.Resampling.NEAREST)
    [page] = read(large, model=BarReader(), boxes=file)
    assert [line.text for line in page.lines] == ["600", "300", ""]
    with pytest.raises(ImageError, match="400×300"):
        read(bar_page(100, size=(300, 400)), model=BarReader(), boxes=file)


def test_a_text_file_of_boxes(tmp_path: Path) -> None:
    file = tmp_path / "boxes.txt"
    rows = [" ".join(map(str, box)) for box in (SECOND, FIRST)]
    file.write_text("# left top right bottom\n" + "\n\n".join(rows) + "\n")
    assert texts(file) == ["200", "100"]
    file.write_text(f"{rows[0]} 2\n{rows[1]} 1\n")
    assert texts(file) == ["100"]
    for wrong in ("1 2 3\n", "9 9 1 1\n", "a b c d\n", "1 1 9 9 0\n", "1 1 9 9 1 1\n"):
        file.write_text(f"{rows[0]}\n{wrong}")
        with pytest.raises(DataError, match=r"boxes.txt, row 2"):
            Boxes(file)
    with pytest.raises(DataError, match=r"none.txt"):
        Boxes(tmp_path / "none.txt")


def test_a_box_of_several_lines_is_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "boxes.txt"
    file.write_text(f"{LEFT - 5} {PITCH - 5} {LEFT + 210} {3 * PITCH + BAR + 9}\n")
    assert texts(file) == ["100", "200", "150"]


def test_a_region_without_lines_is_one_to_split(tmp_path: Path) -> None:
    region = Region((), rectangle((LEFT - 5, PITCH - 5, LEFT + 210, 2 * PITCH + BAR + 9)))
    [file] = write(Document((Page(400, 300, (region,)),)), tmp_path / "scan.xml", "page")
    assert texts(file) == ["100", "200"]


def test_a_page_that_lies_on_its_side(given: Document, tmp_path: Path) -> None:
    [page] = given
    [file] = write(Document((page.turned(-90),)), tmp_path / "scan.json")
    picture = bar_page(100, 200).transpose(Image.Transpose.ROTATE_90)
    [read_page] = read(picture, model=BarReader(), boxes=file)
    assert [line.text for line in read_page.lines] == ["200", "100", ""]
    assert read_page.orientation == 90
    assert next(read_page.turned(90).lines).box == SECOND


def test_a_folder_has_the_boxes_of_many(tmp_path: Path) -> None:
    scans, boxes = tmp_path / "scans", tmp_path / "boxes"
    for name in ("a", "sub/a", "sub/b"):
        (scans / name).parent.mkdir(parents=True, exist_ok=True)
        bar_page(100, 200).save(scans / f"{name}.png")
        (boxes / name).parent.mkdir(parents=True, exist_ok=True)
    (boxes / "a.txt").write_text(" ".join(map(str, FIRST)))
    (boxes / "sub" / "a-0001.txt").write_text(" ".join(map(str, SECOND)))
    top, nested, missing = read_each(scans, model=BarReader(), boxes=boxes)
    assert (top.text, nested.text) == ("100", "200")
    assert isinstance(missing, PageFailure)
    assert "has no boxes" in missing.error.message
    assert "b.xml" in missing.error.hint
