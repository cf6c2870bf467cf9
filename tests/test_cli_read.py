"""``trocr read``: sources to files, once and whole, whatever happens on the way."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pages import BarReader, bar_page, find_bars, pdf_of
from PIL import Image

from trocr.cli import main
from trocr.pipeline import draft
from trocr.readers import read_document


@dataclass
class Run:
    code: int
    out: str
    err: str


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> BarReader:
    reader = BarReader()
    monkeypatch.setattr("trocr.recognizer.load", lambda model, device, draft: reader)
    monkeypatch.setattr(draft, "find_lines", find_bars)
    monkeypatch.setattr(draft, "quarter_turn", lambda image: 0)
    return reader


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], reader: BarReader, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Run]:  # fmt: skip
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Run:
        with pytest.raises(SystemExit) as exit_info:
            main(["read", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Run(int(exit_info.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder with two pictures and a PDF of three pages in a folder of its own."""
    folder = tmp_path / "scans"
    (folder / "sub").mkdir(parents=True)
    bar_page(100, 200).save(folder / "a.png")
    bar_page(50).save(folder / "b 1.jpg", quality=95)
    pdf_of([bar_page(110), bar_page(120, 30), bar_page(130)], folder / "sub" / "c.pdf")
    return folder


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in tree(folder)}


# Standard output


def test_text_on_standard_output(run: Any, scans: Path) -> None:
    done = run(scans / "a.png")
    assert (done.code, done.out, done.err) == (0, "100\n200\n", "")
    assert run(scans / "sub" / "c.pdf").out == "110\n\f120\n30\n\f130\n"
    assert run(scans / "sub" / "c.pdf", "--pages", "-1,1").out == "110\n\f130\n"
    assert run(scans / "a.png", "-o", "-").out == "100\n200\n"


def test_several_sources_have_a_heading(run: Any, scans: Path) -> None:
    done = run("scans/sub/c.pdf", "scans/a.png", "--pages", "1")
    assert done.out == "==> scans/sub/c.pdf <==\n110\n==> scans/a.png <==\n100\n200\n"


def test_formats_on_standard_output(run: Any, scans: Path) -> None:
    document = read_document(run(scans / "sub" / "c.pdf", "--format", "json").out.encode())
    assert [page.number for page in document] == [1, 2, 3]
    rows = run(scans, "--format", "jsonl").out.splitlines()
    assert [json.loads(row)["pages"][0]["number"] for row in rows] == [1, 1, 1, 2, 3]
    assert run(scans / "a.png", "--format", "alto").out.startswith("<?xml")
    assert run(scans / "a.png", "--layout").out == "100\n200\n"


def test_a_source_from_standard_input(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stdin(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    data = pdf_of([bar_page(100), bar_page(200)])
    stdin(data)
    assert run("-").out == "100\n\f200\n"
    stdin(data)
    done = run("-", "-o", "out", "--format", "txt,pdf,html,overlay")
    assert done.code == 0
    assert tree(Path("out")) == [
        "stdin-0001.overlay.png", "stdin-0002.overlay.png", "stdin.html", "stdin.pdf", "stdin.txt",
    ]  # fmt: skip
    stdin(b"no picture")
    done = run("-")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("trocr: stdin ")
    assert run("-", "-").code == 2


# Files


def test_the_output_mirrors_the_input(run: Any, scans: Path) -> None:
    done = run(scans, "-o", "out", "--format", "txt,pdf", "--format", "alto,page,json,overlay")
    assert (done.code, done.out) == (0, "")
    ends = (".alto.xml", ".json", ".overlay.png", ".page.xml", ".pdf", ".txt")
    numbered = [f"sub/c-000{n}{end}" for n in (1, 2, 3) for end in (".overlay.png", ".page.xml")]
    several = [f"sub/c{end}" for end in (".alto.xml", ".json", ".pdf", ".txt")]
    singles = [f"{name}{end}" for name in ("a", "b 1") for end in ends]
    assert tree(Path("out")) == sorted(singles + numbered + several)
    assert Path("out/sub/c.txt").read_text() == "110\n\f120\n30\n\f130\n"
    with pikepdf.open("out/sub/c.pdf") as pdf:
        assert len(pdf.pages) == 3


def test_one_file_is_named(run: Any, scans: Path) -> None:
    assert run("scans/a.png", "-o", "x.alto.xml").code == 0
    assert read_document("x.alto.xml").text == "100\n200"
    assert run("scans/a.png", "-o", "new/x.pdf").code == 0
    assert run("scans/a.png", "-o", "x.dat", "--format", "json").code == 0
    assert Path("x.dat/a.json").is_file()  # no format is called so: it is a folder
    for wrong in (["scans/a.png", "scans/b 1.jpg"], ["scans/a.png", "--format", "txt,pdf"]):
        done = run(*wrong, "-o", "y.pdf")
        assert done.code == 2
        assert "one file" in done.err


def test_a_template(run: Any, scans: Path) -> None:
    Path("t.csv.j2").write_text(
        "{% for line in document.pages[0].lines %}{{ line.text }};{% endfor %}"
    )
    assert run("scans/a.png", "--template", "t.csv.j2").out == "100;200;"
    run("scans/a.png", "--template", "t.csv.j2", "-o", "out")
    run("scans/a.png", "--template", "t.csv.j2", "-o", "x.csv")
    assert Path("out/a.csv").read_text() == Path("x.csv").read_text() == "100;200;"


def test_the_summary_says_what_to_check(run: Any, scans: Path, reader: BarReader) -> None:
    bar_page(20, 20).save(scans / "doubtful.png")
    rows = run("scans", "-o", "out").err.splitlines()
    assert rows[0].startswith("4 documents, 6 pages, 9 lines in ")
    assert "pages/s" in rows[0]
    assert "mean confidence 0.72" in rows[0]
    assert rows[1:] == ["check first:", "  0.10  scans/doubtful.png"]


def test_words_and_characters_are_found_for_those_formats_that_have_them(
    run: Any, scans: Path, reader: BarReader
) -> None:
    run(scans / "a.png")
    assert reader.options["words"] is False
    for options in (["--layout"], ["--format", "tsv"], ["--format", "txt,json"]):
        run(scans / "a.png", *options, "-o", "".join(options))
        assert reader.options["words"] is True


# Done, and done again


def test_what_is_done_is_skipped(run: Any, scans: Path, reader: BarReader) -> None:
    run(scans, "-o", "out", "--format", "txt,page")
    before, calls = contents(Path("out")), len(reader.calls)
    done = run(scans, "-o", "out", "--format", "txt,page")
    assert (done.code, len(reader.calls)) == (0, calls)
    assert "3 sources done before" in done.err
    Path("out/a.txt").unlink()
    Path("out/sub/c.txt").write_text("corrected by hand")
    done = run(scans, "-o", "out", "--format", "txt,page")
    assert "1 document, 1 page, 2 lines" in done.err
    assert "2 sources done before" in done.err
    assert contents(Path("out")) == {**before, "sub/c.txt": b"corrected by hand"}


def test_nothing_is_replaced_unless_asked(run: Any, scans: Path) -> None:
    Path("out").mkdir()
    Path("out/a.txt").write_text("mine")
    assert run("scans/a.png", "-o", "out", "--format", "txt,json").code == 0
    assert Path("out/a.txt").read_text() == "mine"
    assert Path("out/a.json").is_file()
    run("scans/a.png", "-o", "out", "--overwrite")
    assert Path("out/a.txt").read_text() == "100\n200\n"
    bar_page(150).save(scans / "a.png")
    run("scans/a.png", "-o", "out/a.txt")
    assert Path("out/a.txt").read_text() == "100\n200\n"


def test_sources_of_one_name(run: Any, scans: Path) -> None:
    bar_page(70).save(scans / "A.tif")
    bar_page(80).save(scans / "a.webp", lossless=True)
    assert run(scans, "-o", "out").code == 0
    assert tree(Path("out")) == ["A.tif.txt", "a.png.txt", "a.webp.txt", "b 1.txt", "sub/c.txt"]
    # Named twice, it is one source; two of the same name in two folders are refused.
    assert "1 document" in run("scans/a.png", scans / "a.png", "-o", "twice").err
    done = run("scans/a.png", "scans/../scans/sub/../a.png", "scans/sub", "-o", "twice2")
    assert done.code == 0
    (scans / "sub" / "a.png").write_bytes((scans / "a.png").read_bytes())
    done = run("scans/a.png", "scans/sub/a.png", "-o", "refused")
    assert done.code == 2
    assert "both become" in done.err
    assert not Path("refused").exists()


def test_sources_are_safe(run: Any, scans: Path) -> None:
    before = contents(scans)
    done = run("scans/sub/c.pdf", "-o", "scans/sub", "--format", "pdf", "--overwrite")
    assert done.code == 2
    assert "written over" in done.err
    done = run(scans, "-o", scans, "--format", "overlay")
    assert done.code == 2
    assert "for sources" in done.err
    assert contents(scans) == before
    # Text may lie beside the pictures, and a folder of results inside of the folder of sources.
    assert run(scans, "-o", scans).code == 0
    assert run(scans, "-o", scans / "out", "--format", "overlay").code == 0
    assert "3 sources done before" in run(scans, "-o", scans / "out", "--format", "overlay").err


# What goes wrong


def test_bad_files_cost_only_themselves(run: Any, scans: Path) -> None:
    (scans / "empty.png").write_bytes(b"")
    (scans / "cut.pdf").write_bytes((scans / "sub" / "c.pdf").read_bytes()[:900])
    (scans / "text.png").write_text("I am no picture\n")
    with pikepdf.open(scans / "sub" / "c.pdf") as pdf:
        pdf.save(scans / "locked.pdf", encryption=pikepdf.Encryption(user="open", owner="sesame"))
    done = run("scans", "none.png", "-o", "out")
    assert done.code == 3
    assert tree(Path("out")) == ["a.txt", "b 1.txt", "sub/c.txt"]
    rows = done.err.splitlines()
    names = ["cut.pdf", "empty.png", "locked.pdf", "text.png"]
    expected = [f"scans/{name}" for name in names] + ["none.png"]
    assert [row.split()[1] for row in rows[:5]] == expected
    assert "is encrypted. Give its password." in rows[2]
    assert rows[-6:] == ["could not be read:", *(f"  {name}" for name in expected)]
    done = run("scans/locked.pdf", "-o", "out", "--password", "open", "--format", "txt,pdf")
    assert done.code == 0
    assert Path("out/locked.txt").read_text() == Path("out/sub/c.txt").read_text()
    assert run("scans/locked.pdf", "--password", "wrong").code == 3


def test_a_page_that_cannot_be_read_is_missing(
    run: Any, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbles(image: Image.Image, detector: str) -> Any:
        if len(find_bars(image)) == 2:
            raise ValueError("odd page")
        return find_bars(image)

    monkeypatch.setattr(draft, "find_lines", stumbles)
    done = run("scans/sub", "-o", "out", "--format", "txt,pdf")
    assert done.code == 3
    assert Path("out/c.txt").read_text() == "110\n\f130\n"
    assert done.err.splitlines()[-1] == "  scans/sub/c.pdf, page 2"
    with pikepdf.open("out/c.pdf") as pdf:
        assert len(pdf.pages) == 2
    assert run("scans/sub/c.pdf", "--pages", "2", "-o", "none").code == 3
    assert not tree(Path("none"))


def test_folders_and_patterns_without_pages(run: Any, tmp_path: Path) -> None:
    Path("empty").mkdir()
    for source in ("empty", "*.png"):
        done = run(source, "-o", "out")
        assert (done.code, done.out) == (3, "")
        assert source in done.err
    assert not Path("out").exists()


def test_a_blank_page_is_a_page(run: Any) -> None:
    bar_page().save("blank.png")
    done = run("blank.png", "-o", "out", "--format", "txt,json,pdf,hocr,html,overlay")
    assert done.code == 0
    assert Path("out/blank.txt").read_text() == ""
    [page] = read_document("out/blank.json")
    assert (page.width, page.height, page.regions) == (400, 300, ())
    assert "1 document, 1 page, 0 lines" in done.err
    assert (run("blank.png").out, run("blank.png").code) == ("", 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "doc"], ["'doc'", "txt, md"]),
        (["--format", "txt,pdf"], ["one format", "-o"]),
        (["--format", "template"], ["--template"]),
        (["--format", "txt", "--template", "x.j2"], ["belong together"]),
        (["--template", "none.j2"], ["none.j2"]),
        (["--pages", "0"], ["count from 1"]),
        (["--dpi", "-3"], ["-3"]),
        (["--allow", "0-9", "--regex", "A+"], ["--allow and --regex"]),
        (["--lexicon", "none.txt"], ["none.txt", "one entry a line"]),
        (["--lines", "-o", "out"], ["standard output"]),
        (["--lines", "--format", "pdf"], ["txt or json"]),
    ],
)
def test_wrong_usage(run: Any, scans: Path, arguments: list[str], words: list[str]) -> None:
    done = run(scans / "a.png", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert all(word in done.err for word in words)


def test_several_documents_that_make_no_single_one(run: Any, scans: Path) -> None:
    for format in ("json", "pdf", "hocr", "overlay"):
        assert run(scans, "--format", format).code == 2
    done = run(scans / "sub" / "c.pdf", "--format", "page")
    assert done.code == 3
    assert "one page" in done.err


def test_missing_boxes(run: Any, scans: Path) -> None:
    done = run(scans / "a.png", "--boxes", "none.xml")
    assert (done.code, "none.xml" in done.err) == (5, True)
    Path("boxes.txt").write_text("30 110 260 150\n")
    assert run(scans / "a.png", "--boxes", "boxes.txt").out == "200\n"


def test_a_missing_package_is_said_before_anything_is_read(
    run: Any, scans: Path, reader: BarReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trocr.writers.pdf.find_spec", lambda name: None)
    done = run(scans, "-o", "out", "--format", "txt,pdf")
    assert (done.code, reader.calls) == (2, [])
    assert "trocr[pdf]" in done.err


def test_an_output_folder_that_cannot_be_written(run: Any, scans: Path, reader: BarReader) -> None:
    Path("taken").write_text("a file")
    done = run(scans, "-o", "taken/out")
    assert (done.code, done.err.count("\n"), reader.calls) == (6, 1, [])
    assert "taken/out" in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_folder(run: Any, scans: Path) -> None:
    Path("locked").mkdir(mode=0o555)
    done = run(scans, "-o", "locked")
    assert (done.code, done.err.count("\n")) == (6, 1)


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(
    run: Any, scans: Path, reader: BarReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr("trocr.writers.files.os.fsync", full_disk)
        done = run(scans, "-o", "out")
    assert done.code == 6
    assert "No space left on device" in done.err
    assert not list(Path("out").rglob("*.txt"))
    assert sum(reader.calls) == 7
    assert run(scans, "-o", "out").code == 0
    assert sum(reader.calls) == 7 + 5  # the page whose file could not be written was kept
    assert tree(Path("out")) == ["a.txt", "b 1.txt", "sub/c.txt"]


# Killed


DRIVER = """
import os, signal, sys, time
sys.path.insert(0, {tests!r})
from pages import BarReader, find_bars
from trocr.pipeline import draft, streaming
import trocr.recognizer
from trocr.cli import main

read_pages = []

class Reader(BarReader):
    def read_lines(self, images, **options):
        results = super().read_lines(images, **options)
        with open("read.log", "a") as log:
            log.writelines(result.text + "\\n" for result in results)
        if open("read.log").read().count("\\n") >= {limit}:
            os.kill(os.getpid(), signal.SIGKILL)
        return results

trocr.recognizer.load = lambda model, device, draft: Reader()
draft.find_lines, draft.quarter_turn = find_bars, lambda image: 0
streaming.WINDOW_BATCHES = 1
main(["read", "scan.pdf", "-o", "out", "--format", "txt,json,page", "--batch-size", "2"])
"""


def killed(limit: int) -> subprocess.CompletedProcess[str]:
    """A run that is killed once it has read so many lines."""
    script = DRIVER.format(tests=str(Path(__file__).parent), limit=limit)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    widths = [100 + 10 * number for number in range(12)]
    pdf_of([bar_page(width) for width in widths], Path("scan.pdf"))
    assert killed(7).returncode == -9
    journal = Path("out/.scan.pdf.trocr.jsonl")
    kept = journal.read_text().splitlines()
    assert len(kept) == 1 + 6  # what was being read when it was killed is read again
    assert tree(Path("out")) == [journal.name]
    # A second one is killed too, and leaves half a row.
    assert killed(11).returncode == -9
    journal.write_bytes(journal.read_bytes()[:-20])
    done = killed(1000)
    assert done.returncode == 0, done.stderr
    assert "7 pages had been read" in done.stderr
    assert "1 document, 12 pages, 12 lines" in done.stderr
    texts = Path("out/scan.txt").read_text().replace("\f", "").split()
    assert texts == [str(width) for width in widths]
    assert [page.number for page in read_document("out/scan.json")] == list(range(1, 13))
    assert len(tree(Path("out"))) == 12 + 2
    assert "1 source done before" in killed(0).stderr


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a run that was killed after a few pages."""
    monkeypatch.chdir(tmp_path)
    pdf_of([bar_page(100 + 10 * number) for number in range(12)], Path("scan.pdf"))
    assert killed(7).returncode == -9
    return Path("out/.scan.pdf.trocr.jsonl")


@pytest.mark.parametrize("change", ["settings", "source", "journal"])
def test_pages_of_other_settings_are_not_used(
    run: Any, reader: BarReader, journal: Path, change: str
) -> None:
    options = ["--format", "txt,json,page", "--batch-size", "3"]
    if change == "settings":
        options += ["--num-beams", "2"]
    elif change == "source":
        os.utime("scan.pdf", ns=(1, 1))
    else:
        journal.write_bytes(b"\0\0\n" + journal.read_bytes())
    done = run("scan.pdf", "-o", "out", *options)
    assert sum(reader.calls) == 12
    assert "had been read" not in done.err
    assert not journal.exists()


def test_pages_of_the_same_settings_are_used(run: Any, reader: BarReader, journal: Path) -> None:
    run("scan.pdf", "-o", "out", "--format", "txt,json,page", "--batch-size", "3")
    assert sum(reader.calls) == 6
