"""Every format: that nothing breaks it, that files appear whole, and what text formats say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from documents import CONTROL, EDGE_CASES, HOSTILE, full, line_of, page_of, thousand_lines
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt
from PIL import Image

from trocr.document import Document, Line, Page, Region, as_dict, from_dict, rectangle
from trocr.errors import TrOCRError, UsageError
from trocr.writers import FORMATS, Options, format_of, render, suffix_of, write

TEMPLATE = (
    "{% for page in document %}{% for line in page.lines %}{{ line.text }};{% endfor %}{% endfor %}"
)


@pytest.fixture
def options(tmp_path: Path) -> Options:
    template = tmp_path / "list.txt.j2"
    template.write_text(TEMPLATE, encoding="utf-8")
    return Options(pages=lambda number: Image.new("RGB", (600, 800), "white"), template=template)


def text_of(document: Document, format: str, options: Options | None = None) -> str:
    rendered = render(document, format, options)
    assert isinstance(rendered, str)
    return rendered


@pytest.mark.parametrize("case", EDGE_CASES)
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_holds_every_page(format: str, case: str, options: Options) -> None:
    document = EDGE_CASES[case]
    height = document.pages[0].height
    if height != 800:
        options = replace(options, pages=[Image.new("RGB", (600, height), "white")])
    rendered = render(document, format, options)
    data = rendered if isinstance(rendered, bytes) else rendered.encode("utf-8")
    assert data or not document.pages[0].text


@pytest.mark.parametrize("format", [name for name, chosen in FORMATS.items() if not chosen[2]])
def test_a_document_without_pages_is_a_document(format: str, options: Options) -> None:
    render(Document(), format, options)


def test_the_name_of_a_file_says_its_format() -> None:
    named = {
        format: format_of(f"some/Scan{suffix_of(format)}")
        for format in FORMATS
        if format != "template"
    }
    assert named == {format: format for format in named}
    assert format_of("a.xml") == "alto"
    assert format_of("A.PNG") == "overlay"
    with pytest.raises(UsageError, match=r"a\.docx"):
        format_of("a.docx")
    with pytest.raises(UsageError, match="docx"):
        render(full(), "docx")


def test_a_file_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "page.txt"
    assert write(full(), path) == [path]
    before = path.read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="exists"):
        write(page_of(), path)
    assert path.read_text(encoding="utf-8") == before
    write(page_of(line_of("new", (0, 0, 9, 9))), path, overwrite=True)
    assert path.read_text(encoding="utf-8") == "new\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(TrOCRError, match="No space left"):
        write(full(), tmp_path / "page.txt")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(TrOCRError, match="cannot be written"):
        write(full(), tmp_path / "taken" / "page.txt")


def test_formats_of_single_pages_make_a_file_a_page(tmp_path: Path) -> None:
    pages = tuple(replace(page, number=number) for number in (2, 11) for page in page_of())
    document = Document(pages, "scan.pdf")
    with pytest.raises(UsageError, match="has 2"):
        render(document, "page")
    written = write(document, tmp_path / "scan.page.xml")
    assert [path.name for path in written] == ["scan-0002.page.xml", "scan-0011.page.xml"]
    written = write(document, tmp_path / "scan.xml", "page")
    assert [path.name for path in written] == ["scan-0002.xml", "scan-0011.xml"]
    (tmp_path / "scan-0002.xml").unlink()
    with pytest.raises(UsageError, match="scan-0011"):
        write(document, tmp_path / "scan.xml", "page")
    assert not (tmp_path / "scan-0002.xml").exists()


def test_text_has_a_row_a_line() -> None:
    [page] = full().pages
    text = text_of(Document((page, page)), "txt")
    assert text == "A Heading\n\nTotal 12.00\n\napples 3\n\fA Heading\n\nTotal 12.00\n\napples 3\n"


def test_text_holds_no_control_characters() -> None:
    text = text_of(page_of(line_of(CONTROL, (0, 0, 9, 9))), "txt")
    assert text == "a\ufffdb\ufffd[31m\ufffe\ufffdc d\n"


def test_layout_keeps_columns_and_gaps() -> None:
    def item(name: str, price: str, top: int) -> Line:
        left = line_of(name, (100, top, 100 + 10 * len(name), top + 20))
        right = line_of(price, (500 - 10 * len(price), top, 500, top + 20))
        return Line(
            f"{name} {price}", rectangle((100, top, 500, top + 20)), words=left.words + right.words
        )

    document = page_of(
        line_of("SHOP", (250, 0, 290, 20)),
        item("2 apples", "1.20", 60),
        item("bread", "12.00", 90),
        line_of("left", (100, 120, 140, 140)),
        line_of("right", (300, 121, 350, 141)),
    )
    assert text_of(document, "txt", Options(layout=True)).splitlines() == [
        "               SHOP",
        "",
        "2 apples                            1.20",
        "bread                              12.00",
        "left                right",
    ]


def test_layout_of_a_turned_page_is_upright() -> None:
    lines = (line_of("first", (100, 0, 150, 20)), line_of("second", (200, 0, 260, 20)))
    upright = page_of(*lines).pages[0]
    sideways = Document((upright.turned(-90),))
    assert text_of(sideways, "txt", Options(layout=True)) == "first     second\n"


def test_layout_loses_no_line() -> None:
    for document in EDGE_CASES.values():
        laid_out = text_of(document, "txt", Options(layout=True)).split()
        assert sorted(laid_out) == sorted(text_of(document, "txt").split())


@pytest.mark.parametrize(
    "text",
    [HOSTILE, "# no heading", "- no list", "1. no list", "> no quote", "*a* _b_ `c` [d](e)", "+ x",
     "---", "===", "    no code", "```", "~~~", "&lt;", "a | b", "\\", "$5 and $6", "***", "2) b"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["text", "heading", "marginalia"])
def test_markdown_shows_the_text_itself(text: str, kind: str) -> None:
    lines = (
        line_of("before", (0, 0, 9, 9)),
        line_of(text, (0, 10, 9, 19)),
        line_of("after", (0, 20, 9, 29)),
    )
    document = Document((Page(100, 100, (Region(lines, kind=kind),)),))
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text_of(document, "md"))
    shown = [
        piece.content if piece.type in ("text", "text_special") else " "
        for token in tokens
        for piece in token.children or ()
    ]
    block = {"text": "paragraph", "heading": "heading", "marginalia": "blockquote"}[kind]
    assert tokens[0].type == f"{block}_open"
    assert "".join(shown).split() == ["before", *text.split(), "after"]


def test_a_table_in_markdown() -> None:
    rows = [("item", "price"), ("red | green", "1.20"), ("bread", "")]
    lines = []
    for index, row in enumerate(rows):
        for text, left in zip(row, (10, 300), strict=True):
            if text:
                box = (left, 30 * index, left + 10 * len(text), 30 * index + 20)
                lines.append(line_of(text, box))
    table = Document((Page(600, 100, (Region(tuple(lines), kind="table"),)),))
    assert text_of(table, "md") == (
        "| item | price |\n| --- | --- |\n| red \\| green | 1.20 |\n| bread |  |\n"
    )


def test_json_is_what_the_schema_says() -> None:
    schema = json.loads(
        (Path(__file__).parent.parent / "docs/document.schema.json").read_text("utf-8")
    )
    for document in EDGE_CASES.values():
        data = json.loads(text_of(document, "json"))
        Draft202012Validator(schema).validate(data)
        if "\ud800" not in document.text:
            assert from_dict(data) == document


def test_json_keeps_texts_that_look_like_numbers() -> None:
    for text in ("[\n1, 2\n]", "[ 1,  2 ]", "[[1, 2],\n [3]]"):
        document = page_of(Line(text, flags=(text, text)))
        assert from_dict(json.loads(text_of(document, "json"))) == document
    assert '"box": [20, 20, 70, 40]' in text_of(full(), "json")
    assert '"polygon": [[20, 20], [300, 22], [300, 45], [20, 40]]' in text_of(full(), "json")


def test_json_lines_are_documents_of_a_page() -> None:
    pages = (*full().pages, *page_of(line_of("b\nc", (0, 0, 9, 9))).pages)
    document = Document(pages, "scan.pdf", "printed")
    rows = text_of(document, "jsonl").splitlines()
    assert [from_dict(json.loads(row)) for row in rows] == [
        Document((page,), "scan.pdf", "printed") for page in pages
    ]


def test_tsv_has_the_columns_of_tesseract() -> None:
    header, *rows = (row.split("\t") for row in text_of(full(), "tsv").splitlines())
    assert " ".join(header) == (
        "level page_num block_num par_num line_num word_num left top width height conf text"
    )
    words = [row for row in rows if row[0] == "5"]
    assert [row[-1] for row in words] == ["A", "Heading", "Total", "12.00", "apples", "3"]
    assert words[3] == ["5", "3", "2", "1", "1", "2", "240", "22", "60", "23", "62.50", "12.00"]
    assert [row[0] for row in rows].count("2") == 4


@pytest.mark.parametrize("case", EDGE_CASES)
def test_tsv_has_as_many_fields_in_each_row(case: str) -> None:
    text = text_of(EDGE_CASES[case], "tsv")
    assert {row.count("\t") for row in text.split("\n")[:-1]} == {11}


def test_a_template_of_the_users(tmp_path: Path, options: Options) -> None:
    assert text_of(full(), "template", options) == "A Heading;Total 12.00;apples 3;"
    assert suffix_of("template", options) == ".txt"
    page = tmp_path / "list.html.j2"
    page.write_text("<p>{{ data.pages[0].regions[0].lines[0].text }}</p>", encoding="utf-8")
    document = page_of(line_of("<i>&", (0, 0, 9, 9)))
    assert text_of(document, "template", Options(template=page)) == "<p>&lt;i&gt;&amp;</p>"
    assert suffix_of("template", Options(template=page)) == ".html"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ documents }}", "documents"),
        ("\n{% for %}", "line 2"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ 1 / 0 }}", "division"),
        ("{% include 'other' %}", "cannot be filled"),
    ],
)
def test_templates_fail_with_a_reason(tmp_path: Path, source: str, says: str) -> None:
    path = tmp_path / "broken.txt"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        render(full(), "template", Options(template=path))


def test_a_template_has_to_be_there(tmp_path: Path) -> None:
    for options in (Options(), Options(template=tmp_path / "missing")):
        with pytest.raises(UsageError, match="template"):
            render(full(), "template", options)


def test_rendering_changes_nothing() -> None:
    before = as_dict(thousand_lines())
    document = from_dict(before)
    for format in ("txt", "md", "tsv", "hocr", "alto", "page"):
        render(document, format)
    assert as_dict(document) == before
