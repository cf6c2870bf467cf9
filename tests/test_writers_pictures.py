"""The overlay and the report: what is drawn, and that text stays text."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from documents import BOX, CONTROL, EDGE_CASES, HOSTILE, full, line_of, page_of
from lxml import etree
from PIL import Image

from trocr.document import Document, Line, Page, Word, rectangle
from trocr.errors import UsageError
from trocr.writers import Options, render, write
from trocr.writers.grades import COLOURS, grade

PAPER = Image.new("RGB", (600, 800), (250, 250, 240))


def overlay(document: Document, picture: Image.Image = PAPER) -> Image.Image:
    rendered = render(document, "overlay", Options(pages=[picture]))
    assert isinstance(rendered, bytes)
    image = Image.open(io.BytesIO(rendered))
    assert image.format == "PNG"
    return image.convert("RGB")


def report(document: Document) -> str:
    pages = [Image.new("RGB", (page.width, page.height), "white") for page in document]
    rendered = render(document, "html", Options(pages=pages))
    assert isinstance(rendered, str)
    return rendered


def test_grades() -> None:
    confidences = (1.0, 0.9, 0.89, 0.6, 0.59, 0.0, None)
    assert " ".join(map(grade, confidences)) == "sure sure check check doubtful doubtful unknown"


@pytest.mark.parametrize(
    ("confidence", "name"), [(0.95, "sure"), (0.7, "check"), (0.1, "doubtful"), (None, "unknown")]
)
def test_lines_are_outlined_in_the_colour_of_their_confidence(
    confidence: float | None, name: str
) -> None:
    line = Line("text", rectangle(BOX), confidence=confidence)
    pixels = np.asarray(overlay(page_of(line)))
    colour = tuple(bytes.fromhex(COLOURS[name][1:]))
    for x, y in ((50, 120), (300, 100), (300, 140), (549, 120)):
        assert (
            np.abs(pixels[y - 3 : y + 4, x - 3 : x + 4].astype(int) - colour).sum(axis=-1) < 8
        ).any()
    assert tuple(pixels[400, 300]) == tuple(pixels[700, 20])  # nothing else is drawn


def test_words_are_boxed_and_the_picture_shows_through() -> None:
    picture = PAPER.copy()
    picture.paste((0, 0, 0), (300, 110, 310, 130))
    words = (Word("two", (50, 100, 250, 140), 0.1), Word("words", (280, 100, 550, 140), 0.95))
    pixels = np.asarray(
        overlay(page_of(Line("two words", rectangle(BOX), words=words)), picture)
    ).astype(int)
    red, blue = pixels[120, 150], pixels[120, 400]
    assert red[0] > red[2] + 20
    assert blue[2] > blue[0] + 20
    assert pixels[120, 305].sum() < pixels[120, 400].sum() - 200


def test_the_overlay_is_as_wide_as_the_picture_with_a_legend_below() -> None:
    image = overlay(full())
    assert image.width == 600
    assert 800 < image.height < 900


def test_tiny_and_huge_pages_have_an_overlay() -> None:
    for size in ((1, 1), (20, 2000), (3000, 30)):
        line = Line("x", rectangle((0, 0, size[0], size[1])), confidence=0.5)
        document = Document((Page(*size, page_of(line).pages[0].regions),))
        assert overlay(document, Image.new("RGB", size)).width == size[0]


def test_pictures_have_to_fit_the_page() -> None:
    with pytest.raises(UsageError, match="10×10"):
        overlay(full(), Image.new("RGB", (10, 10)))
    with pytest.raises(UsageError, match="no picture of page 3"):
        render(full(), "overlay")
    with pytest.raises(UsageError, match="no picture of page 3"):
        render(full(), "html", Options(pages=[]))


def test_pictures_come_from_the_original(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    PAPER.save(path)
    document = replace(page_of(), source=str(path))
    assert (
        overlay(page_of()).tobytes()
        == Image.open(write(document, tmp_path / "seen.overlay.png")[0]).convert("RGB").tobytes()
    )


def test_the_report_stands_alone() -> None:
    text = report(full())
    assert not re.findall(r"(?:src|href)=\"(?!data:image/jpeg;base64,|#)", text)
    assert not re.search(r"@import|url\(|<link|<iframe|<base|\sstyle=", text)
    assert re.findall(r"https?:", text) == []


def test_the_policy_allows_our_script_and_style_alone() -> None:
    root = etree.HTML(report(full()))
    [policy] = [one.get("content") for one in root.iter("meta") if one.get("http-equiv")]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for element, name in (
        (root.find(".//script"), "script-src"),
        (root.find(".//style"), "style-src"),
    ):
        digest = hashlib.sha256(element.text.encode("utf-8")).digest()
        assert f"{name} 'sha256-{base64.b64encode(digest).decode('ascii')}'" in policy


@pytest.mark.parametrize(
    "text", [HOSTILE, "</script><img src=x onerror=alert(1)>", "{{ 7 * 7 }}", '"><svg onload=a>']
)
def test_recognised_text_is_only_ever_text(text: str) -> None:
    line = replace(line_of(text, BOX), flags=(text,), finish_reason=text)
    [page] = page_of(line).pages
    page = replace(page, language=text, source=text, regions=(replace(page.regions[0], kind=text),))
    root = etree.HTML(report(Document((page,), source=text, model=text)))
    names = {element.tag for element in root.iter() if isinstance(element.tag, str)}
    assert names <= {
        *("html", "head", "meta", "title", "style", "script", "body", "header", "section"),
        *("h1", "h2", "p", "span", "small", "div", "mark", "em", "svg", "image", "polygon"),
    }
    assert len(list(root.iter("script"))) == len(list(root.iter("svg"))) == 1
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]
    [shown] = [one for one in root.iter("p") if one.get("data-line")]
    assert "".join(shown.itertext()).startswith(text)


def test_each_line_of_the_report_has_its_place_in_the_picture() -> None:
    document = full()
    root = etree.HTML(report(document))
    places = {one.get("data-line"): one.get("points") for one in root.iter("polygon")}
    lines = {
        one.get("data-line"): "".join(one.itertext())
        for one in root.iter("p")
        if one.get("data-line")
    }
    assert places.keys() == lines.keys() == {"1-1", "1-2", "1-3"}
    assert places["1-2"] == "20,20 300,22 300,45 20,40"
    assert lines["1-1"] == "A Heading"
    assert lines["1-2"] == "Total 12.00 length several_lines low_contrast"


def test_doubtful_words_are_marked() -> None:
    root = etree.HTML(report(full()))
    marked = [(one.text, one.get("class"), one.get("title")) for one in root.iter("mark")]
    assert ("12.00", "check", "62%") in marked
    assert ("Heading", "doubtful", "25%") in marked
    assert "Total" not in [text for text, _, _ in marked]


@pytest.mark.parametrize("case", EDGE_CASES)
def test_reports_of_odd_pages_show_their_text(case: str) -> None:
    root = etree.HTML(report(EDGE_CASES[case]))
    lines = ["".join(one.itertext()) for one in root.iter("p") if one.get("data-line")]
    if case not in ("full", "control characters"):
        assert lines == [line.text for line in EDGE_CASES[case].pages[0].lines]
    assert CONTROL not in "".join(lines)
