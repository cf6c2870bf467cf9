"""What was read: geometry, text, and the dict and JSON forms."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from documents import full, line_of, page_of
from jsonschema import Draft202012Validator

from trocr.document import Document, Line, Page, Region, Word, as_dict, from_dict, rectangle
from trocr.errors import DataError, UsageError

SCHEMA = json.loads(
    (Path(__file__).parent.parent / "docs" / "document.schema.json").read_text(encoding="utf-8")
)


def test_through_json_and_back_nothing_is_lost() -> None:
    assert from_dict(json.loads(json.dumps(as_dict(full())))) == full()


def test_a_newer_version_is_refused() -> None:
    with pytest.raises(DataError, match="version is 2"):
        from_dict({**as_dict(full()), "version": 2})


@pytest.mark.parametrize("broken", [[], {"version": 1}, {"version": 1, "pages": [3], "source": ""}])
def test_what_is_no_document_is_refused(broken: object) -> None:
    with pytest.raises(DataError):
        from_dict(broken)  # type: ignore[arg-type]


def test_the_schema_holds_every_document() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for document in (full(), Document(), page_of(), page_of(Line("x", words=(Word("x", None),)))):
        Draft202012Validator(SCHEMA).validate(as_dict(document))


def test_the_schema_refuses_what_is_wrong() -> None:
    data = as_dict(full())
    data["pages"][0]["regions"][1]["lines"][0]["words"][0]["confidence"] = 1.5
    assert [error.json_path for error in Draft202012Validator(SCHEMA).iter_errors(data)] == [
        "$.pages[0].regions[1].lines[0].words[0].confidence"
    ]


def test_the_schema_names_every_key() -> None:
    defined = {
        name: set(part["properties"])
        for name, part in SCHEMA["$defs"].items()
        if "properties" in part
    }
    page = as_dict(full())["pages"][0]
    line = page["regions"][1]["lines"][0]
    word = line["words"][0]
    written = {
        "page": page,
        "region": page["regions"][1],
        "line": line,
        "word": word,
        "character": word["characters"][0],
    }
    assert {name: set(part) for name, part in written.items()} == defined


def test_boxes_hold_what_is_known() -> None:
    assert Line("", ((1.2, 2.7), (8.1, 3.0), (8.0, 9.5))).box == (1, 2, 9, 10)
    words = (Word("a", (5, 6, 7, 8)), Word("b", None), Word("c", (9, 4, 12, 7)))
    assert Line("a b c", words=words).box == (5, 4, 12, 8)
    assert Region((Line("a b c", words=words), Line(""))).box == (5, 4, 12, 8)
    assert Line("").box is None
    assert Region().box is None


def test_text_has_a_row_a_line() -> None:
    one = Region((line_of("first", (0, 0, 9, 9)), Line(""), line_of("second", (0, 9, 9, 18))))
    page = Page(100, 100, (one, Region(), Region((line_of("third", (0, 20, 9, 29)),))))
    assert page.text == "first\nsecond\n\nthird"
    assert Document((page, Page(1, 1), page)).text == f"{page.text}\f\f{page.text}"
    assert [line.text for line in page.lines] == ["first", "", "second", "third"]


def test_the_confidence_of_a_page_is_that_of_its_lines() -> None:
    document = page_of(Line("a", confidence=0.5), Line("b", confidence=1.0), Line("c"))
    assert document.pages[0].confidence == 0.75
    assert Page(1, 1).confidence is None


def test_a_turned_page() -> None:
    word = Word("a", (10, 20, 40, 30))
    line = Line("a", rectangle((10, 20, 40, 30)), ((10, 28), (40, 28)), words=(word,))
    page = Page(100, 60, (Region((line,)),), orientation=90)
    turned = page.turned(90)
    [upright] = turned.lines
    assert (turned.width, turned.height, turned.orientation) == (60, 100, 0)
    assert upright.box == upright.words[0].box == (30, 10, 40, 40)
    assert upright.baseline == ((32, 10), (32, 40))
    assert turned.turned(-90) == page
    assert page.turned(360) == page


def test_a_page_turns_by_quarters_only() -> None:
    with pytest.raises(UsageError, match="45"):
        Page(1, 1).turned(45)


def test_documents_are_values() -> None:
    assert hash(full()) == hash(full())
    assert replace(full(), model="other") != full()
