"""``trocr label``: lines to correct, and what becomes of the corrections."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from documents import HOSTILE, line_of
from line_models import text_picture
from PIL import Image

from trocr.cli import main
from trocr.corrections import choose, find_lines, read_corrections
from trocr.corrections.marks import Mark
from trocr.corrections.pictures import cut_lines
from trocr.document import Document, Line, Page, Region
from trocr.errors import DataError
from trocr.labelled_lines import read_labelled_lines
from trocr.line_sets import read_line_set
from trocr.readers import read_document
from trocr.writers import write

TEXTS = ("12 ABC DEF", "GHI 34/56", "not a line")
CONFIDENCES = (0.9, 0.25, 0.5)
SIZE = (400, 200)
HEADER = "line\tread\ttext\tmark\n"


def picture() -> Image.Image:
    page = Image.new("RGB", SIZE, (250, 250, 250))
    for number, text in enumerate(TEXTS):
        page.paste(text_picture(text).convert("RGB"), (20, 20 + 60 * number))
    return page


def page_with(*lines: Line, source: str, number: int = 1) -> Page:
    return Page(*SIZE, (Region(lines[:1]), Region(lines[1:])), number=number, source=source)


def read_lines() -> list[Line]:
    boxes = [(18, 18 + 60 * number, 260, 54 + 60 * number) for number in range(len(TEXTS))]
    return [
        line_of(text, box, confidence=confidence)
        for text, box, confidence in zip(TEXTS, boxes, CONFIDENCES, strict=True)
    ]


def store(folder: Path, document: Document, name: str, *formats: str) -> None:
    for format in formats:
        suffix = "json" if format == "json" else f"{format}.xml"
        write(document, folder / f"{name}.{suffix}", format)


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What ``trocr read scans -o read --format json,page,alto`` writes; beside it the scan."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    picture().save("scans/a.png")
    page = page_with(*read_lines(), source="scans/a.png")
    store(tmp_path / "read", Document((page,), "scans/a.png"), "a", "json", "page", "alto")
    return tmp_path / "read"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_info:
            main(["label", *map(str, arguments)])
        captured = capsys.readouterr()
        return int(exit_info.value.code or 0), captured.out, captured.err

    return run


# The lines of a folder


def test_each_line_once_whatever_the_formats(read: Path) -> None:
    lines, skipped = find_lines(read)
    assert [line.name for line in lines] == [f"a/a_000{n}" for n in (1, 2, 3)]
    assert [line.text for line in lines] == list(TEXTS)
    assert not skipped
    (read / "a.json").unlink()
    assert [line.confidence for line in find_lines(read)[0]] == list(CONFIDENCES)  # from PAGE
    (read / "a.page.xml").unlink()
    of_words = [line.confidence for line in find_lines(read)[0]]  # ALTO has those of words
    assert of_words == [pytest.approx(0.9**3), 0.25**2, 0.5**3]


@pytest.mark.parametrize("format", ["json", "page", "alto"])
@pytest.mark.parametrize("name", ["scan", "scan-0001"])
def test_pages_are_called_the_same_in_every_format(tmp_path: Path, format: str, name: str) -> None:
    source = f"in/{name}.tif"
    pages = tuple(page_with(Line("text"), source=source, number=n) for n in (1, 2, 10))
    store(tmp_path / "sub", Document(pages, source), name, format)
    pages_found = [line.page for line in find_lines(tmp_path)[0]]
    assert pages_found == [f"sub/{name}", f"sub/{name}-p2", f"sub/{name}-p10"]


def test_a_single_page_named_like_a_page_of_many(tmp_path: Path) -> None:
    document = Document((page_with(Line("text"), source="scan-0001.png"),), "scan-0001.png")
    store(tmp_path, document, "scan-0001", "json", "page")
    assert [line.page for line in find_lines(tmp_path)[0]] == ["scan-0001"]


def test_the_least_confident_first(read: Path) -> None:
    lines, _ = find_lines(read)
    unknown = replace(lines[0], confidence=None)
    assert [line.confidence for line in choose([*lines, unknown])] == [None, 0.25, 0.5, 0.9]
    assert [line.confidence for line in choose(lines, below=0.5)] == [0.25]
    assert [line.confidence for line in choose(lines, limit=2)] == [0.25, 0.5]
    many = [replace(lines[0], name=str(n), confidence=n / 1000) for n in range(1000)]
    drawn = [line.confidence or 0.0 for line in choose(many, sample=100)]
    assert len(set(drawn)) == 100
    assert 0.4 < sum(drawn) / 100 < 0.6, "as many sure lines as doubtful ones"
    assert drawn == sorted(drawn)
    assert len(choose(lines, sample=10)) == 3


def test_what_is_no_document_is_named(read: Path) -> None:
    (read / "parity.json").write_text("{}")
    (read / ".a.png.trocr.jsonl").write_text("{}")
    lines, skipped = find_lines(read)
    assert len(lines) == 3
    assert [Path(each.where).name for each in skipped] == ["parity.json"]
    with pytest.raises(DataError, match="no pages"):
        find_lines(read.parent / "scans")
    with pytest.raises(DataError, match="no folder"):
        find_lines(read / "nowhere")


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_pictures_are_upright(read: Path, turn: int) -> None:
    """A page that lies on its side gives the same pictures."""
    [upright] = read_document(read / "a.json")
    picture().rotate(turn, expand=True).save("scans/turned.png")
    turned = replace(upright.turned(-turn), source="scans/turned.png")
    store(read, Document((turned,), "scans/turned.png"), "turned", "json")
    lines, _ = find_lines(read)
    cut = [np.asarray(item[1]) for item in cut_lines(lines) if isinstance(item, tuple)]
    assert len(cut) == 6
    for straight, again in zip(cut[:3], cut[3:], strict=True):
        assert np.array_equal(straight, again)
    assert cut[0].min() < 100, "there is ink on it"


# The worklist


def test_the_table_and_the_pictures(read: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run(read, "-o", "work", "--below", "0.9")
    assert (code, out) == (0, "2 of 3 lines, from 1 page: work/worklist.html\n")
    table = Path("work/worklist.tsv").read_text(encoding="utf-8").splitlines()
    assert table == [
        "line\tconfidence\tread\ttext\tmark",
        "a/a_0002\t0.2500\tGHI 34/56\tGHI 34/56\t",
        "a/a_0003\t0.5000\tnot a line\tnot a line\t",
    ]
    for name in ("a/a_0002.png", "a/a_0003.png"):
        with Image.open(Path("work", name)) as cut:
            assert cut.width > 240
    assert read_corrections(Path("work/worklist.tsv")) == ([], [])
    code, out, err = run(read, "-o", "work")
    assert (code, out) == (2, "")
    assert "is there already" in err
    assert run(read, "-o", "other", "--below", "0.2")[:2] == (
        0, "nothing to correct, of 3 lines\n",
    )  # fmt: skip


def test_a_list_that_nobody_worked_through_is_no_set(
    read: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    assert run(read, "-o", "work")[0] == 0
    with pytest.raises(DataError):
        read_line_set("work")


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_the_web_page_loads_nothing_and_runs_only_its_own(
    read: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    hostile = replace(read_lines()[0], text=HOSTILE)
    store(read, Document((page_with(hostile, source="scans/a.png"),), "scans/a.png"), "b", "json")
    run(read, "-o", "work")
    page = Path("work/worklist.html").read_text(encoding="utf-8")
    [policy] = [m["content"] for m in Elements(page).of("meta") if "http-equiv" in m]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("script", "style"):
        [content] = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r"(?:src|href)=\"(?!data:)|https?://", page)
    fields = Elements(page).of("input")
    assert HOSTILE in [field["value"] for field in fields]
    labels = {label["for"] for label in Elements(page).of("label")}
    assert labels == {field["id"] for field in fields}
    assert all(image["alt"] for image in Elements(page).of("img"))
    assert [item["data-read"] for item in Elements(page).of("li")] == [
        field["value"] for field in fields
    ]


def test_pages_without_a_picture(read: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    store(
        read, Document((page_with(*read_lines(), source="gone/b.png"),), "gone/b.png"), "b", "json"
    )
    store(read, Document((Page(*SIZE, (Region((Line("nowhere"),)),)),), "scans/a.png"), "c", "json")
    code, out, err = run(read, "-o", "work")
    assert (code, out) == (3, "3 of 7 lines, from 1 page: work/worklist.html\n")
    assert "b.json, page 1: There is no picture" in err
    assert "c/c_0001: It is not known where" in err
    picture().save("scans/b.png")
    code, out, _ = run(read, "-o", "all", "--images", "scans")
    assert (code, out) == (3, "6 of 7 lines, from 2 pages: all/worklist.html\n")
    Path("empty").mkdir()
    code, _, err = run(read / "b.json", "-o", "none", "--images", "empty")
    assert code == 5
    assert "--images" in err


# Corrections


@pytest.mark.parametrize(
    ("text", "mark", "decision"),
    [
        ("as read", "", Mark.none),
        ("as read", "ok", Mark.ok),
        ("as read", "OK ", Mark.ok),
        ("changed", "", Mark.ok),
        ("changed", "skip", Mark.skip),
        ("", "", Mark.not_text),
        ("", "ok", Mark.not_text),
        ("as read", "not-text", Mark.not_text),
    ],
)
def test_decisions(tmp_path: Path, text: str, mark: str, decision: Mark) -> None:
    path = tmp_path / "corrections.tsv"
    path.write_text(f"{HEADER}a\tas read\t{text}\t{mark}\n")
    found, skipped = read_corrections(path)
    assert not skipped
    kept = decision in (Mark.ok, Mark.not_text)
    assert [each.decision for each in found] == ([decision] if kept else [])


def test_tables_of_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "corrections.tsv"
    header = "text\tread\tnote\tline"
    rows = [header, "new\told\tx\ta", "", "x\told", header, "newer \u0065\u0301\told\t\ta"]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    [found], [skipped] = read_corrections(path)
    assert (found.line, found.text) == ("a", "newer é"), "the last row of a line counts, in NFC"
    assert (skipped.where, skipped.reason) == (f"{path}, row 4", "There is no 'line'.")
    path.write_text(HEADER + "a\told\tnew\tmaybe\n")
    assert "no mark 'maybe'" in read_corrections(path)[1][0].reason
    path.write_text("line,read,text\n")
    with pytest.raises(DataError, match="no column line, read, text"):
        read_corrections(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_corrections(tmp_path)


CORRECTIONS = (
    HEADER
    + "a/a_0001\t12 ABC DEF\t12 ABC DEF\tok\n"
    + "a/a_0002\tGHI 34/56\tGHJ 34/56\t\n"
    + "a/a_0003\tnot a line\tnot a line\tnot-text\n"
)


def test_corrections_become_a_set_and_documents(
    read: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    Path("corrections.tsv").write_text(CORRECTIONS)
    code, out, err = run(
        read, "--apply", "corrections.tsv", "-o", "letters", "--corrected", "final"
    )
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "read right: 1, corrected: 1, no text: 1",
        "CER of these lines as they were read: 5.26 %",  # 1 of 19 characters
        "2 lines to learn from: letters",
        "3 corrected documents: final",
    ]
    lines = list(read_labelled_lines("letters"))
    assert [(line.file, line.text) for line in lines] == [
        ("a/a_0001.png", "12 ABC DEF"),
        ("a/a_0002.png", "GHJ 34/56"),
    ]
    assert all(line.image.startswith(b"\x89PNG") for line in lines)
    for name in ("a.json", "a.page.xml", "a.alto.xml"):
        document = read_document(Path("final", name))
        assert document.text == "12 ABC DEF\n\nGHJ 34/56", name
        words = [word for page in document for line in page.lines for word in line.words]
        assert [word.text for word in words] == ["12", "ABC", "DEF", "GHJ", "34/56"]
        assert {word.confidence for word in words} == {1.0}
        before = read_document(read / name).pages[0].lines
        boxes = [word.box for line in before for word in line.words]
        assert [word.box for word in words] == boxes[:5], "words stay where they were"
    assert {line.confidence for line in read_document(Path("final/a.json")).pages[0].lines} == {1.0}


def test_a_set_knows_its_pages(read: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    page = page_with(*read_lines(), source="scans/a.png")
    store(read, Document((page,), "scans/a.png"), "sub/b", "json")
    rows = "a/a_0001\t12 ABC DEF\tright\tok\n" + "sub/b/b_0002\tGHI 34/56\tright\tok\n"
    Path("corrections.tsv").write_text(HEADER + rows)
    assert run(read, "--apply", "corrections.tsv", "-o", "letters")[0] == 0
    assert [line.page for line in read_line_set("letters").lines] == ["a", "sub/b"]


def test_another_number_of_words_has_no_boxes(
    read: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    Path("corrections.tsv").write_text(HEADER + "a/a_0001\t12 ABC DEF\t12 ABCDEF\t\n")
    assert run(read, "--apply", "corrections.tsv", "--corrected", "final")[0] == 0
    first = next(read_document(Path("final/a.json")).pages[0].lines)
    assert (first.text, first.words) == ("12 ABCDEF", ())
    assert first.box == (18, 18, 260, 54)


def test_corrections_of_something_else_are_not_made(
    read: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    stale = "a/a_0001\t12 ABC\tXYZ\t\n" + "../../b\ta\tb\tok\n" + "short\n"
    Path("corrections.tsv").write_text(CORRECTIONS + stale)
    code, out, err = run(read, "--apply", "corrections.tsv", "-o", "letters")
    assert code == 3
    assert "1 line to learn from: letters" in out
    assert [row.split(": ")[1] for row in err.splitlines()] == [
        "corrections.tsv, row 7", "a/a_0001", "../../b",
    ]  # fmt: skip
    assert [line.text for line in read_labelled_lines("letters")] == ["GHJ 34/56"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no place for the list"),
        (["--corrected", "final"], "needs corrections"),
        (["-o", "work", "--sample", "3", "--below", "0.5"], "of any confidence"),
        (["--apply", "none.tsv"], "nothing to make"),
        (["--apply", "none.tsv", "-o", "set", "--limit", "3"], "choose lines"),
        (["--apply", "none.tsv", "-o", "read"], "is there already"),
        (["--apply", "none.tsv", "-o", "set"], "decides nothing"),
    ],
)
def test_wrong_usage(
    read: Path,
    run: Callable[..., tuple[int, str, str]],
    arguments: list[str],
    message: str,
) -> None:
    Path("none.tsv").write_text(HEADER + "a/a_0001\t12 ABC DEF\t12 ABC DEF\tskip\n")
    code, _, err = run(read, *arguments)
    assert (code, message in err) == (2, True), err
