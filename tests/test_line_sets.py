"""Every form of a labelled set reads to its lines, texts and pages."""

import os
from pathlib import Path

import pytest
from line_set_files import (
    CSV,
    JSONL,
    TEXTS,
    TSV,
    parquet,
    picture,
    pictures,
    put,
    reasons,
    rows,
    texts,
)

from trocr.errors import DataError
from trocr.labelled_lines import LabelledLine, read_labelled_lines, write_labelled_lines
from trocr.line_sets import read_line_set


@pytest.mark.parametrize(
    ("table", "content"),
    [
        ("labels.tsv", "file\ttext\n" + TSV),
        ("labels.tsv", ("\ufefffile\ttext\n" + TSV).replace("\n", "\r\n")),
        ("train.tsv", "Text\tImage_Path\n" + "\n".join(f"{t}\t{f}" for f, t in TEXTS.items())),
        ("gt.txt", TSV),
        ("metadata.csv", CSV.format("file_name,text", ",")),
        ("mine.csv", CSV.format("filename;ground_truth", ";")),
        ("metadata.jsonl", JSONL),
        ("metadata.jsonl", JSONL.replace("file_name", "path").replace("text", "sentence")),
    ],
)
def test_tables(tmp_path, table, content):
    put(tmp_path, {table: content, **pictures()})
    found = read_line_set(tmp_path)
    assert {line.file: line.text for line in found.lines} == TEXTS
    assert found.lines[0].image == picture(0)
    assert (found.skipped, found.format) == ([], table)
    assert texts(tmp_path / table) == TEXTS


def test_a_table_in_its_folder_names_pictures_from_there_from_the_top_or_alone(tmp_path):
    rows = "x/a.png\tone\nimages/b.png\ttwo\nc.png\tthree\nimages\\d.png\tfour\n"
    names = ("x/a.png", "images/b.png", "deep/er/c.png", "images/d.png")
    put(tmp_path, {"train/labels.tsv": "file\ttext\n" + rows, **pictures("train/", names[:1])})
    put(tmp_path, {name: picture(9 + seed) for seed, name in enumerate(names[1:])})
    assert list(texts(tmp_path)) == ["train/x/a.png", *names[1:]]


def test_the_parts_of_an_image_folder(tmp_path):
    for number, split in enumerate(("train", "test")):
        table = {f"{split}/metadata.csv": f"file_name,text\n1.png,{split}\n"}
        put(tmp_path, {**table, f"{split}/1.png": picture(number)})
    found = read_line_set(tmp_path)
    assert found.format == "metadata.csv"
    assert [(line.file, line.text, line.page) for line in found.lines] == [
        ("test/1.png", "test", ""),
        ("train/1.png", "train", ""),
    ]


@pytest.mark.parametrize("suffix", [".gt.txt", ".txt"])
def test_pictures_with_texts_beside(tmp_path, suffix):
    labels = {name.replace(".png", suffix): text + "\n" for name, text in TEXTS.items()}
    put(
        tmp_path, {**pictures(), **labels, "book/2.jpg": picture(7, "JPEG"), f"book/2{suffix}": "x"}
    )
    found = read_line_set(tmp_path)
    assert {line.file: line.text for line in found.lines} == {**TEXTS, "book/2.jpg": "x"}
    assert found.format == f"pictures with {suffix}"
    assert {line.page for line in found.lines} == {"", "book"}


def test_versions_that_ocropus_makes(tmp_path):
    put(tmp_path, {"1.bin.png": picture(1), "1.gt.txt": "one"})
    put(tmp_path, {"2.nrm.png": picture(2), "2.png": picture(3), "2.gt.txt": "two"})
    assert texts(tmp_path) == {"1.bin.png": "one", "2.png": "two"}
    assert reasons(tmp_path) == {"2.nrm.png": "Its label goes with 2.png."}


def test_what_ocr_wrote_is_no_label(tmp_path):
    put(tmp_path, {**pictures(), "a.gt.txt": "right", "a.txt": "wr0ng", "b.txt": "al5o"})
    assert texts(tmp_path) == {"a.png": "right"}
    assert list(reasons(tmp_path)) == ["b.png", "c.png"]


def test_a_file_of_labels_does_not_have_its_neighbours_searched(tmp_path, monkeypatch):
    put(tmp_path, {**pictures(), "labels.tsv": "file\ttext\n" + TSV})
    put(tmp_path, {"other/page.xml": "<", "other.csv": "file,text\nd.png,x\n"})
    parquet(tmp_path / "a.parquet", rows(["a.png"]))
    monkeypatch.setattr(os, "walk", None)
    assert texts(tmp_path / "labels.tsv") == TEXTS
    assert texts(tmp_path / "a.parquet") == {"a.png": "text 0"}


def test_links_to_folders(tmp_path):
    put(tmp_path, {"outside/a.png": picture(1), "outside/a.txt": "one"})
    inner = put(tmp_path / "set/inner", {"b.png": picture(2), "b.txt": "two"})
    for name, target in {
        "loop": "..",
        "up": "../..",
        "twin": "../inner",
        "out": "../../outside",
    }.items():
        (inner / name).symlink_to(target)
    (tmp_path / "outside/back").symlink_to(".")
    assert set(texts(tmp_path / "set").values()) == {"one", "two"}
    found = reasons(tmp_path / "set")
    assert list(found) == ["inner/loop", "inner/twin", "inner/up", "inner/out/back"]


def test_pages_are_columns_or_folders(tmp_path):
    table = "file,text,Document,page\na.png,one,d,1\nb.png,two,d,2\nc.png,three,,\n"
    put(tmp_path / "table", {**pictures(), "labels.csv": table})
    assert [line.page for line in read_line_set(tmp_path / "table").lines] == ["d/1", "d/2", ""]
    names = ("train/p1/a.png", "train/p2/a.png", "test/p3/a.png", "test/a.png")
    beside = {name.replace("png", "txt"): name for name in names}
    put(tmp_path / "folders", {**pictures("data/", names)})
    put(tmp_path / "folders/data", beside)
    pages = {line.text: line.page for line in read_line_set(tmp_path / "folders").lines}
    assert pages == dict(zip(names, ["p1", "p2", "p3", ""], strict=True))


def test_tables_beside_the_one_with_labels(tmp_path):
    labels = "file\ttext\n" + TSV
    types = "file\ttype\n" + "".join(f"{name}\tprint\n" for name in TEXTS)
    put(tmp_path, {**pictures(), "labels.tsv": labels, "types.tsv": types})
    put(tmp_path, {"notes.tsv": "a.png\tblurred\n", "LICENSE.txt": "CC BY 4.0\n"})
    assert texts(tmp_path) == TEXTS
    found = reasons(tmp_path)
    assert list(found) == ["notes.tsv"]
    (tmp_path / "labels.tsv").unlink()
    (tmp_path / "notes.tsv").unlink()
    with pytest.raises(DataError, match=r"one of texts \(text, "):
        read_line_set(tmp_path)


def test_predictions_beside_labels(tmp_path):
    """What `trocr evaluate` wrote copies labels; a table of somebody's own may hold them."""
    ours = "file\tlabel\tprediction\tconfidence\na.png\tx\ty\t0.5\n"
    put(tmp_path, {**pictures(), "labels.tsv": "file\ttext\n" + TSV, "read.tsv": ours})
    assert texts(tmp_path) == TEXTS
    assert reasons(tmp_path) == {}
    assert texts(tmp_path / "read.tsv") == {"a.png": "x"}
    put(tmp_path / "own", {"a.png": picture(1), "t.csv": "file,prediction,text\na.png,0ne,one\n"})
    assert texts(tmp_path / "own") == {"a.png": "one"}


def test_for_scores_what_cannot_be_trained_on_is_kept(tmp_path):
    files = {"a.png": picture(1), "copy.png": picture(1), "bad.png": b"", "blank.png": picture(2)}
    rows = "a.png\tone\ncopy.png\ttwo\nbad.png\tthree\nblank.png\t\ngone.png\tfour\n"
    put(tmp_path, {**files, "labels.tsv": "file\ttext\n" + rows})
    found = read_line_set(tmp_path, scoring=True)
    assert [line.text for line in found.lines] == ["one", "two", "three", ""]
    assert [one.where for one in found.skipped] == ["labels.tsv line 6"]


def test_nothing_to_read(tmp_path):
    with pytest.raises(DataError, match=r"There is no .*nowhere"):
        read_line_set(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"labels\.tsv.*Parquet|Parquet.*labels\.tsv"):
        read_line_set(tmp_path)
    put(tmp_path, {"a.png": picture(1), "labels.csv": "bild,inhalt\na.jpg,x\n"})
    with pytest.raises(DataError, match="no header row"):
        read_line_set(tmp_path)
    for broken in ("broken.zip", "broken.tar.gz", "a.png"):
        put(tmp_path, {broken: b"PK\x03\x04nothing" if "zip" in broken else b"\x1f\x8b\x08\0\0"})
        with pytest.raises(DataError, match=broken):
            read_line_set(tmp_path / broken)


def test_what_is_written_is_read(tmp_path):
    lines = [
        LabelledLine(name, picture(seed), text) for seed, (name, text) in enumerate(TEXTS.items())
    ]
    write_labelled_lines(lines, tmp_path / "set")
    assert (
        read_line_set(tmp_path / "set").lines
        == lines
        == list(read_labelled_lines(tmp_path / "set"))
    )


@pytest.mark.parametrize(
    ("file", "text"), [("a.png", "a\tb"), ("a.png", "a\nb"), ("a\t.png", "a"), ("../a.png", "a")]
)
def test_what_would_not_be_read_is_not_written(tmp_path, file, text):
    with pytest.raises(DataError):
        write_labelled_lines([LabelledLine(file, b"", text)], tmp_path / "set")


SHARED = Path(__file__).parents[2] / "shared/data"
COPIES = {"sroie-train.tar.gz": {880: 654, 904: 677, 33583: 3967}}  # line: the line it repeats


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.name, marks=[pytest.mark.slow] * (path.stat().st_size > 20 << 20))
        for path in sorted(SHARED.glob("*.tar.gz"))
        if path.name != "pages.tar.gz"
    ],
)
def test_real_sets(name):
    """As many lines as the strict reader finds, less the copies."""
    copies = COPIES.get(name, {})
    known = [
        (line.file, line.text)
        for number, line in enumerate(read_labelled_lines(SHARED / name), start=2)
        if number not in copies
    ]
    found = read_line_set(SHARED / name)
    assert [(line.file, line.text) for line in found.lines] == known
    assert [(one.where, one.reason.rpartition(" in ")[2]) for one in found.skipped] == [
        (f"labels.tsv line {line}", f"labels.tsv line {other}.") for line, other in copies.items()
    ]
