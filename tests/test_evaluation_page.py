"""The web page: complete, self-contained, and text in it is only ever text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from trocr.evaluation.charts import rejection_chart, reliability_chart
from trocr.evaluation.comparison import compare
from trocr.evaluation.predictions import Predictions
from trocr.evaluation.protocols import scoring_protocol
from trocr.evaluation.report import ConfidenceScores, score
from trocr.evaluation.report_page import render
from trocr.labelled_lines import LabelledLine

PICTURE = next((Path(__file__).parent / "data" / "receipt-lines" / "images").iterdir())
ATTACK = "<script>alert('1')</script>\"><img src=http://example.org/x onerror=alert(1)>"
CER = scoring_protocol("cer")


class Seen(HTMLParser):
    """Tags, and every attribute that could load or run something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            assert not name.startswith("on"), name
            if name in ("src", "href", "srcset", "style", "action", "data", "xlink:href"):
                self.loads.append(str(value))

    def handle_data(self, data: str) -> None:
        self.text += data


def line(text: str, file: str = "a.png") -> LabelledLine:
    return LabelledLine(file, PICTURE.read_bytes(), text)


def page_of(lines: list[LabelledLine], texts: list[str], model: str = "m") -> str:
    read = Predictions(model, texts, [0.5] * len(texts))
    return render("set", lines, read, score(lines, read, CER), CER)


def test_text_is_only_ever_text() -> None:
    lines = [line(ATTACK, file=ATTACK), line(f"b {ATTACK}", file="b.png")]
    read = Predictions(ATTACK, [f"<b>{ATTACK}", ""], [0.9, 0.1])
    other = Predictions(f"other {ATTACK}", ["", ATTACK], [0.9, 0.1])
    comparison = compare(lines, read, other, CER)
    alone = render(ATTACK, lines, read, comparison.model, CER)
    both = render(ATTACK, lines, read, comparison.model, CER, comparison)
    for page in (alone, both):
        seen = Seen(page)
        assert not {"script", "link", "iframe", "object", "b"} & seen.tags
        assert len(seen.loads) == 2
        assert all(value.startswith("data:image/jpeg;base64,") for value in seen.loads)
        assert ATTACK in seen.text
        assert "default-src 'none'" in page
        assert "@import" not in page
        assert "url(" not in page


def test_mistakes_are_marked_and_the_worst_line_is_first() -> None:
    lines = [line("right", "1.png"), line("12,50", "2.png"), line("TOTAL", "3.png")]
    page = page_of(lines, ["right", "12.50", "T0TL 1"])
    assert "12<del>,</del><ins>.</ins>50" in page
    assert page.index("3.png") < page.index("2.png")
    assert "1.png" not in page
    assert "2 of 2" in page
    assert "nothing" in Seen(page).text  # of a lost character
    assert len(Seen(page).loads) == 2


def test_a_line_without_a_picture_and_a_set_without_mistakes() -> None:
    page = page_of([LabelledLine("a.png", b"no picture", "A")], ["B"])
    assert "no picture" in page
    assert Seen(page).loads == []
    page = page_of([line("A")], ["A"])
    assert "None." in page
    assert "0 of 0" in page


def test_without_confidences_there_are_no_charts() -> None:
    lines = [line("A")]
    read = Predictions("m", ["B"], None)
    page = render("set", lines, read, score(lines, read, CER), CER)
    assert 'class="chart"' not in page
    assert "By confidence" not in page


def test_a_comparison_shows_lines_that_got_better_and_worse() -> None:
    lines = [line("abc", "1.png"), line("def", "2.png"), line("ghi", "3.png")]
    read, other = (
        Predictions(name, texts, [0.5, 0.6, 0.7])
        for name, texts in (("new", ["abc", "dXX", "g"]), ("old", ["aXX", "def", "g"]))
    )
    comparison = compare(lines, read, other, CER)
    text = Seen(render("set", lines, read, comparison.model, CER, comparison)).text
    better, worse = text.index("1 line that new reads better"), text.index("reads worse than old")
    assert better < text.index("1.png") < worse < text.index("2.png")
    assert "3.png" not in text


def test_bars_end_where_they_should() -> None:
    bins = [ConfidenceScores(0.0, 0.5, 4, 0.25, 50.0, 9.0), ConfidenceScores(0.5, 1, 1, 1, 100, 0)]
    root = ElementTree.fromstring(reliability_chart(bins))
    heights = [float(bar.attrib["height"]) for bar in root.iter("rect")]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    radii = [float(dot.attrib["r"]) for dot in root.iter("circle")]
    assert radii == [7.0, 4.5]


def test_curves_reach_the_end_of_the_axes_and_ticks_are_round() -> None:
    chart = rejection_chart({"<a>": [(50.0, 0.0), (100.0, 7.0)], "b": [(100.0, 3.5)]})
    root = ElementTree.fromstring(chart)
    first, second = (curve.attrib["points"].split() for curve in root.iter("polyline"))
    assert (first[0], first[1], second[0]) == ("197.0,218.0", "348.0,12.0", "348.0,115.0")
    texts = [element.text for element in root.iter("text")]
    assert texts[:4] == ["0", "2", "4", "6"]
    assert rejection_chart({"perfect": [(100.0, 0.0)]}).count("NaN") == 0
    assert re.search(r"&lt;a&gt;", chart)
