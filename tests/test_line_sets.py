"""Every form of a labelled set reads, and what cannot be trained on is named, not met."""

import io
import json
import os
import random
import sys
import tarfile
import unicodedata
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from trocr import writers
from trocr.document import Document, Line, Page, Region, rectangle
from trocr.errors import DataError, UsageError
from trocr.labelled_lines import LabelledLine, read_labelled_lines, write_labelled_lines
from trocr.line_sets import archives, read_line_set, sources

SHARED = Path(__file__).parents[2] / "shared/data"
TEXTS = {"a.png": "Größe 3,50 €", "b.png": 'He said "hi"', "c.png": "a, b; c"}


def picture(seed: int, suffix: str = "PNG", size: tuple[int, int] = (40, 12)) -> bytes:
    stream = io.BytesIO()
    pixels = random.Random(seed).randbytes(size[0] * size[1])
    Image.frombytes("L", size, pixels).save(stream, suffix)
    return stream.getvalue()


def put(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def pictures(folder: str = "", names: tuple[str, ...] = tuple(TEXTS)) -> dict[str, bytes]:
    return {folder + name: picture(seed) for seed, name in enumerate(names)}


def texts(path: Path) -> dict[str, str]:
    return {line.file: line.text for line in read_line_set(path).lines}


def reasons(path: Path) -> dict[str, str]:
    return {one.where: one.reason for one in read_line_set(path).skipped}


TSV = "".join(f"{name}\t{text}\n" for name, text in TEXTS.items())
CSV = '{0}\na.png{1}Größe 3,50 €\nb.png{1}"He said ""hi"""\nc.png{1}"a, b; c"\n'.replace(
    "a.png{1}Größe 3,50 €", 'a.png{1}"Größe 3,50 €"'
)
JSONL = "".join(
    json.dumps({"file_name": name, "text": text}) + "\n" for name, text in TEXTS.items()
)


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


def packed(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("archive", ["s.tar", "s.tar.gz", "s.tgz", "s.zip"])
@pytest.mark.parametrize("prefix", ["", "./", "my set/"])
def test_archives(tmp_path, archive, prefix):
    table = {prefix + "labels.tsv": ("file\ttext\n" + TSV).encode()}
    found = read_line_set(packed(tmp_path / archive, {**table, **pictures(prefix)}))
    names = [(prefix + name).removeprefix("./") for name in TEXTS]
    assert [(line.file, line.text) for line in found.lines] == list(
        zip(names, TEXTS.values(), strict=True)
    )
    beside = {prefix + f"{key}.txt": b"text " + key.encode() for key in "abc"}
    found = read_line_set(packed(tmp_path / archive, {**beside, **pictures(prefix)}))
    assert [line.text for line in found.lines] == ["text a", "text b", "text c"]
    assert os.listdir(tmp_path) == [archive]


def test_members_that_could_do_harm(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "FILE_LIMIT", 1000)
    good = {"labels.tsv": b"file\ttext\na.png\tone\n../../b.png\ttwo\n", **pictures()}
    bad = {"../../evil.png": picture(8), "/etc/evil.png": picture(9), "bomb.png": bytes(1001)}
    with tarfile.open(packed(tmp_path / "s.tar", {**good, **bad}), "a") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"special{kind.decode()}.png")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    for path in (tmp_path / "s.tar", packed(tmp_path / "s.zip", {**good, **bad})):
        assert texts(path) == {"a.png": "one"}
        found = reasons(path)
        assert found["labels.tsv line 3"] == "The name ../../b.png leads out of the set."
        assert found["../../evil.png"] == found["/etc/evil.png"] == "Its name leads out of the set."
        assert "larger" in found["bomb.png"]
    assert "link" in reasons(tmp_path / "s.tar")["special2.png"]
    assert os.listdir(tmp_path.parent / tmp_path.name) == ["s.tar", "s.zip"]


def test_archives_that_unpack_to_too_much(tmp_path, monkeypatch):
    files = {"labels.tsv": b"file\ttext\na.png\tone\n", **pictures()}
    monkeypatch.setattr(archives, "ARCHIVE_LIMIT", 1000)
    for name in ("s.tar.gz", "s.zip"):
        with pytest.raises(DataError, match="unpacks to more"):
            read_line_set(packed(tmp_path / name, files))


@pytest.mark.parametrize("size", [1 << 30, 10 << 40])
def test_a_tar_that_promises_more_than_it_holds(tmp_path, size):
    path = packed(tmp_path / "s.tar", {"a.txt": b"one", "a.png": picture(1)})
    bomb = tarfile.TarInfo("b.png")
    bomb.size = size
    with tarfile.open(path) as archive:
        end = archive.getmembers()[-1].offset_data + 1024
    path.write_bytes(path.read_bytes()[:end] + bomb.tobuf())
    if size > archives.ARCHIVE_LIMIT:
        with pytest.raises(DataError, match="unpacks to more"):
            read_line_set(path)
    else:
        assert texts(path) == {"a.png": "one"}
        assert reasons(path)["b.png"] == "It is larger than 200 MB."


def test_of_a_damaged_archive_what_comes_before_the_damage(tmp_path):
    files = {"a.png": picture(1), "a.txt": b"one", "b.png": random.Random(0).randbytes(90_000)}
    path = packed(tmp_path / "s.tar.gz", files)
    path.write_bytes(path.read_bytes()[:40_000])
    found = read_line_set(path)
    assert [line.text for line in found.lines] == ["one"]
    assert found.skipped[0].where == "s.tar.gz"
    assert found.skipped[0].reason.startswith("It is damaged after a.txt")


LABELS = {
    "": "empty",
    " \t\u200b ": "empty",
    "one\ntwo": "more than one line: it has 2",
    "one\u2028two": "more than one line",
    "be\x07ll": "U+0007",
    "lo\ufffdst": "U+FFFD",
}


@pytest.mark.parametrize(("label", "reason"), LABELS.items())
def test_labels_that_are_no_line_of_text(tmp_path, label, reason):
    put(tmp_path, {**pictures(names=("a.png", "b.png")), "a.txt": "fine", "b.txt": label})
    assert texts(tmp_path) == {"a.png": "fine"}
    assert reason in reasons(tmp_path)["b.txt"]


@pytest.mark.parametrize("table", ["labels.tsv", "labels.csv", "labels.jsonl"])
def test_labels_in_another_encoding(tmp_path, table):
    content = {
        "labels.tsv": "file\ttext\na.png\tfine\nb.png\tGr\xf6\xdfe\n",
        "labels.csv": "file,text\na.png,fine\nb.png,Gr\xf6\xdfe\n",
        "labels.jsonl": '{"file": "a.png", "text": "fine"}\n{"file": "b.png", "text": "Gr\xf6"}\n',
    }[table]
    put(tmp_path, {**pictures(names=("a.png", "b.png")), table: content.encode("latin-1")})
    assert texts(tmp_path) == {"a.png": "fine"}
    (reason,) = reasons(tmp_path).values()
    assert reason == "Its label is not UTF-8: byte 0xF6 after 'Gr'."
    put(tmp_path, {table: content.encode("utf-16")})
    with pytest.raises(DataError, match="UTF-16"):
        read_line_set(tmp_path)


def test_texts_are_made_uniform(tmp_path):
    text = unicodedata.normalize("NFD", "  Größe\u00a0 3 \t€ ")
    put(tmp_path, {**pictures(names=("a.png",)), "a.txt": "\ufeff" + text + "\r\n"})
    assert texts(tmp_path) == {"a.png": "Größe 3 €"}


def test_names_in_another_normal_form(tmp_path):
    decomposed = unicodedata.normalize("NFD", "é.png")
    put(tmp_path, {decomposed: picture(1), "labels.tsv": "file\ttext\né.png\tx\n"})
    assert list(texts(tmp_path).values()) == ["x"]


def test_pictures_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "FILE_LIMIT", 100_000)
    good = picture(1, size=(300, 100))
    files = {
        "good.png": good,
        "empty.png": b"",
        "cut.png": good[: len(good) // 2],
        "cut.jpg": picture(2, "JPEG", (300, 100))[:3000],
        "cut.webp": picture(2, "WEBP", (300, 100))[:3000],
        "text.png": b"version https://git-lfs.github.com/spec/v1",
        "large.png": bytes(100_001),
        "huge.png": _png_header(20_000, 10_000),
    }
    rows = "".join(f"{name}\tlabel of {name}\n" for name in [*files, "missing.png"])
    put(tmp_path, {**files, "labels.tsv": "file\ttext\n" + rows})
    (tmp_path / "pipe.png").symlink_to("/nowhere")
    assert texts(tmp_path) == {"good.png": "label of good.png"}
    found = reasons(tmp_path)
    expected = {
        3: "is empty",
        4: "damaged",
        5: "damaged",
        6: "damaged",
        7: "is text, not a picture",
        8: "larger than",
        9: "too large to decode",
        10: "The picture missing.png is missing.",
    }
    for line, reason in expected.items():
        assert reason in found[f"labels.tsv line {line}"]
    assert "cannot be read" in found["pipe.png"]


def _png_header(width: int, height: int) -> bytes:
    def chunk(data: bytes) -> bytes:
        return (len(data) - 4).to_bytes(4, "big") + data + zlib.crc32(data).to_bytes(4, "big")

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR" + size + b"\1\0\0\0\0") + chunk(b"IDAT")


def test_a_line_of_20_000_pixels(tmp_path):
    put(tmp_path, {"a.png": picture(1, size=(20_000, 8)), "a.txt": "long"})
    assert texts(tmp_path) == {"a.png": "long"}


def test_malformed_rows(tmp_path):
    table = 'file,text,page\na.png,one,1\nb.png,two, three,1\nc.png\n\n,four,1\nb.png,"fi\nve",1\n'
    put(tmp_path, {**pictures(), "labels.csv": table})
    assert texts(tmp_path) == {"a.png": "one"}
    assert reasons(tmp_path) == {
        "labels.csv line 3": "It has 4 columns, not 3: is there a comma in a text.",
        "labels.csv line 4": "It has 1 columns, not 3.",
        "labels.csv line 6": "It names no picture.",
        "labels.csv line 7": "Its label is more than one line: it has 2.",
        "c.png": "It has no label: no row of labels.csv names it.",
    }


def test_rows_of_json_of_other_kinds(tmp_path):
    rows = [
        {"file": "a.png", "text": "one"},
        {"file": "b.png", "text": 5},
        {"file": ["c.png"], "text": "x"},
        {"file": "b.png", "text": None},
        {"file": "b.png"},
        ["b.png"],
        {"file": "b.png", "text": "\ud800"},
    ]
    broken = '{"file": "b.png", "te\n' + "[" * 100_000
    table = "\n".join([*map(json.dumps, rows), broken])
    put(tmp_path, {**pictures(names=("a.png", "b.png")), "labels.jsonl": table})
    assert texts(tmp_path) == {"a.png": "one"}
    assert list(reasons(tmp_path)) == [f"labels.jsonl line {n}" for n in range(2, 10)]


def test_names_that_lead_elsewhere(tmp_path):
    put(tmp_path, {"secret.png": picture(5), **pictures("set/", ("a.png",))})
    names = [
        "../secret.png",
        "/etc/passwd",
        "x/../../secret.png",
        "C:\\secret.png",
        "..\\secret.png",
    ]
    rows = "".join(f"{name}\tx\n" for name in names)
    put(tmp_path, {"set/labels.tsv": "file\ttext\na.png\tone\n" + rows})
    found = reasons(tmp_path / "set")
    assert len(found) == len(names)
    assert all("leads out" in reason or "absolute" in reason for reason in found.values())


def test_absolute_names_of_what_is_in_the_set(tmp_path):
    folder = put(tmp_path / "my set", pictures("images/"))
    rows = "".join(f"{folder}/images/{name}\t{text}\n" for name, text in TEXTS.items())
    put(folder, {"labels.tsv": "file\ttext\n" + rows})
    assert texts(folder) == {f"images/{name}": text for name, text in TEXTS.items()}


def test_one_picture_with_two_labels(tmp_path):
    same = picture(9)
    put(tmp_path, {**pictures(), "d.png": same, "e.png": same, "f.png": same, "g.png": same})
    os.link(tmp_path / "a.png", tmp_path / "h.png")
    rows = ["a one", "a one", "b two", "b 2", "c three", "d four", "e four", "f 4", "h one"]
    table = "".join("{}.png\t{}\n".format(*row.split()) for row in rows)
    put(tmp_path, {"labels.tsv": "file\ttext\n" + table, "g.png": picture(10)})
    assert texts(tmp_path) == {"a.png": "one", "c.png": "three"}
    line = "labels.tsv line "
    assert reasons(tmp_path) == {
        line + "3": f"The same picture has the same label in {line}2.",
        line + "4": f"The same picture has another label in {line}5: '2'.",
        line + "5": f"The same picture has another label in {line}4: 'two'.",
        line + "7": f"A copy of the same picture has another label in {line}9: '4'.",
        line + "8": f"A copy of the same picture has another label in {line}9: '4'.",
        line + "9": f"A copy of the same picture has another label in {line}7: 'four'.",
        line + "10": f"A copy of the same picture has the same label in {line}2.",
        "g.png": "It has no label: no row of labels.tsv names it.",
    }


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
    assert list(found) == ["types.tsv", "notes.tsv"]
    assert "one of texts (text, " in found["types.tsv"]


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


def parquet(path: Path, columns: dict[str, list[object]], **settings: object) -> None:
    table = pa.table(columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(table, path, **settings)
        return
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def rows(names: list[str | None]) -> dict[str, list[object]]:
    """As Hugging Face's ``Image`` is stored."""
    pictures = [{"bytes": picture(seed), "path": name} for seed, name in enumerate(names)]
    return {"image": pictures, "text": [f"text {seed}" for seed in range(len(names))]}


def test_parquet_of_hugging_face(tmp_path):
    put(tmp_path, {"README.md": "# A data set", "dataset_infos.json": "{}"})
    first, second = (f"data/train-0000{number}-of-00002" for number in range(2))
    parquet(tmp_path / f"{first}.parquet", rows(["a.png", "b.png", "a.png", None]))
    pages = {"page_id": [7, 7], "document": ["deed", None]}
    parquet(
        tmp_path / "data/train-00001-of-00002.parquet", {**rows(["/x.png", "../y.png"]), **pages}
    )
    put(tmp_path, {"data/broken.parquet": b"PAR1 and no more"})
    found = read_line_set(tmp_path)
    names = ["a.png", "b.png", f"{first}/000003", f"{first}/000004"]
    # The second shard holds the pictures of the first once more, with the same labels.
    assert [line.file for line in found.lines] == names
    assert [one.where for one in found.skipped] == [
        "data/broken.parquet",
        f"{second}.parquet row 1",
        f"{second}.parquet row 2",
    ]
    assert found.format == "Parquet"
    found = read_line_set(tmp_path / f"{second}.parquet")
    assert [(line.file, line.page) for line in found.lines] == [
        ("train-00001-of-00002/000001", "deed/7"),
        ("train-00001-of-00002/000002", "7"),
    ]


def test_parquet_of_other_kinds(tmp_path):
    put(tmp_path / "files", pictures())
    parquet(tmp_path / "files/t.parquet", {"file_name": list(TEXTS), "text": list(TEXTS.values())})
    assert texts(tmp_path / "files") == TEXTS
    image: list[object] = [picture(1), picture(2), None, picture(3), b"no picture"]
    label = pa.array([b"one", b"Gr\xf6", b"x", None, b"y"]).view(pa.string())
    parquet(tmp_path / "raw.parquet", {"image": image, "path": list("abcde"), "gt": label})
    assert texts(tmp_path / "raw.parquet") == {"raw/000001": "one"}
    found = list(reasons(tmp_path / "raw.parquet").values())
    assert [reason[:16] for reason in found] == [
        "Its label is not",
        "It has no pictur",
        "It has no label.",
        "The picture raw/",
    ]
    elsewhere: list[object] = [
        {"bytes": picture(1), "path": "a"},
        {"bytes": None, "path": "/b.png"},
    ]
    parquet(tmp_path / "path.parquet", {"image": elsewhere, "text": ["one", "two"]})
    (reason,) = reasons(tmp_path / "path.parquet").values()
    assert reason.startswith("It holds a picture's name alone. The name /b.png is absolute")
    parquet(tmp_path / "classes.parquet", {"image": image, "label": list(range(5))})
    with pytest.raises(DataError, match="int64, not text"):
        read_line_set(tmp_path / "classes.parquet")
    parquet(tmp_path / "bare.parquet", {"image": image})
    with pytest.raises(DataError, match="its columns are image; it needs"):
        read_line_set(tmp_path / "bare.parquet")


def test_what_datasets_saved_to_disk(tmp_path):
    shard = "data-00000-of-00001.arrow"
    for split in ("train", "test"):
        state = json.dumps({"_data_files": [{"filename": shard}]})
        put(tmp_path, {f"{split}/state.json": state, f"{split}/dataset_info.json": "{}"})
    put(tmp_path, {"dataset_dict.json": '{"splits": ["train", "test"]}'})
    parquet(tmp_path / "train" / shard, rows(["a.png", "b.png", "c.png"]))
    parquet(tmp_path / "train/cache-0123.arrow", rows(["old.png"]))
    parquet(
        tmp_path / "test" / shard, {"image": [{"bytes": picture(9), "path": None}], "text": ["x"]}
    )
    found = read_line_set(tmp_path)
    assert [line.file for line in found.lines] == [
        "test/data-00000-of-00001/000001",
        "a.png",
        "b.png",
        "c.png",
    ]
    assert (found.format, found.skipped) == ("Arrow", [])


def test_arrow_that_points_outside_its_memory(tmp_path):
    good = pa.record_batch({"image": pa.array([picture(1), picture(2)]), "text": ["one", "two"]})
    offsets = pa.py_buffer(np.array([0, 1 << 30, 2], np.int32))
    bad = pa.Array.from_buffers(pa.binary(), 2, [None, offsets, pa.py_buffer(b"xx")])
    with (
        pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, good.schema) as writer,
    ):
        writer.write_batch(good)
        writer.write_batch(pa.record_batch({"image": bad, "text": ["x", "y"]}))
    assert list(texts(tmp_path).values()) == ["one", "two"]
    assert reasons(tmp_path)["a.arrow"].startswith("It cannot be read after row 2")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    parquet(tmp_path / "a.parquet", rows(["a.png"]))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"trocr\[data\]"):
        read_line_set(tmp_path)


SIZE = (300, 200)
PAGE_LINES = (
    Line("first line", ((20, 20), (280, 20), (280, 50), (20, 50)), ((20, 44), (280, 44))),
    Line("", rectangle((20, 60, 280, 90))),
    Line("flat", rectangle((20, 100, 280, 102))),
    Line("rising", ((20, 150), (280, 130), (280, 160), (20, 180)), ((20, 174), (280, 154))),
)


def page_picture(size: tuple[int, int] = SIZE, suffix: str = "PNG", seed: int = 0) -> bytes:
    """A page where each line's place has a shade of its own."""
    image = Image.new("L", SIZE, 255)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(PAGE_LINES):
        if line.polygon:
            draw.polygon(list(line.polygon), fill=40 * number + 10 + seed)
    stream = io.BytesIO()
    image.resize(size).save(stream, suffix)
    return stream.getvalue()


def written(form: str, source: str, lines: tuple[Line, ...] = PAGE_LINES) -> bytes:
    """The page of these lines as our writers write it."""
    document = Document((Page(*SIZE, (Region(lines),), source=source),), source, "")
    data = writers.render(document, form)
    return data if isinstance(data, bytes) else data.encode()


def shade(line: LabelledLine) -> int:
    """Of the middle of a line's picture."""
    image = Image.open(io.BytesIO(line.image))
    assert image.mode == "L"
    return image.getpixel((image.width // 2, image.height // 2))


FORMS = {"page": ("xml", "PAGE"), "alto": ("xml", "ALTO"), "json": ("json", "JSON")}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("labels", "image", "stated"),
    [
        ("p1.{}", "p1.png", "p1.png"),
        ("page/p1.{}", "p1.png", "p1.png"),
        ("p1.{}", "images/p1.png", "images/p1.png"),
        ("page/p1.{}", "images/p1.png", "/home/someone/scans/p1.png"),
        ("page/p1.{}", "p1.png", "C:\\scans\\p1.png"),
        ("page/p1.{}", "p1.jpg", "https://example.org/full.tif"),
    ],
)
def test_lines_of_pages(tmp_path, form, labels, image, stated):
    suffix, format_name = FORMS[form]
    labels = labels.format(suffix)
    kind = "JPEG" if image.endswith("jpg") else "PNG"
    put(tmp_path, {labels: written(form, stated), image: page_picture(suffix=kind)})
    found = read_line_set(tmp_path)
    title = labels.removesuffix("." + suffix)
    assert found.format == format_name
    assert [(line.text, line.page) for line in found.lines] == [
        ("first line", title),
        ("rising", title),
    ]
    assert [line.file[: -len("0000.png")] for line in found.lines] == [title + "/"] * 2
    assert [shade(line) for line in found.lines] == pytest.approx([10, 130], abs=3)
    heights = [Image.open(io.BytesIO(line.image)).height for line in found.lines]
    assert heights == pytest.approx([36, 36], abs=2)  # level, with the padding
    assert [one.reason for one in found.skipped] == [
        "It has no text.",
        "Its outline is less than 4 pixels high or wide.",
    ]


PAGE_XML = """<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15">
<Page imageFilename="{file}" imageWidth="{width}" imageHeight="{height}"><TextRegion id="r">
<Coords points="0,0 9,0 9,9"/>{lines}</TextRegion></Page></PcGts>"""
PAGE_LINE = """<TextLine id="l"><Coords points="{points}"/>
<TextEquiv><Unicode>{text}</Unicode></TextEquiv></TextLine>"""


def page_xml(file: str, width: int, height: int, lines: dict[str, str]) -> str:
    rendered = "".join(PAGE_LINE.format(points=points, text=text) for text, points in lines.items())
    return PAGE_XML.format(file=file, width=width, height=height, lines=rendered)


BOX = "20,20 280,20 280,50 20,50"


def test_outlines_that_cannot_be_cut(tmp_path):
    lines = {
        "good": BOX,
        "none": "",
        "two points": "20,20 280,50",
        "mostly beside": "280,20 420,20 420,50 280,50",
        "elsewhere": "520,20 620,20 620,50 520,50",
    }
    put(tmp_path, {"a.xml": page_xml("a.png", *SIZE, lines), "a.png": page_picture()})
    assert [line.text for line in read_line_set(tmp_path).lines] == ["good"]
    assert reasons(tmp_path) == {
        "a.xml line 2": "It has no outline.",
        "a.xml line 3": "It has no outline.",
        "a.xml line 4": "Its outline is not on the picture.",
        "a.xml line 5": "Its outline is not on the picture.",
    }
    for number in ("nan", "1e999", "x"):
        put(tmp_path, {"b.xml": page_xml("b.png", *SIZE, {"bad": f"{number},20 280,20 280,50"})})
        put(tmp_path, {"b.png": page_picture(seed=1)})
        assert "b.xml" in reasons(tmp_path)


def test_pictures_of_another_size(tmp_path):
    put(tmp_path, {"same.xml": page_xml("same.png", *SIZE, {"same": BOX})})
    put(tmp_path, {"same.png": page_picture(), "half.png": page_picture((150, 100))})
    put(tmp_path, {"half.xml": page_xml("half.png", *SIZE, {"half": BOX})})
    put(tmp_path, {"other.xml": page_xml("other.png", *SIZE, {"other": BOX})})
    put(tmp_path, {"other.png": page_picture((300, 206)), "none.png": page_picture(seed=3)})
    put(tmp_path, {"none.xml": page_xml("none.png", 0, 0, {"no size": BOX})})
    found = {line.text: line for line in read_line_set(tmp_path).lines}
    assert list(found) == ["half", "no size", "same"]
    assert [shade(line) for line in found.values()] == [10, 13, 10]
    same, half = (Image.open(io.BytesIO(found[name].image)) for name in ("same", "half"))
    assert (same.width, same.height) == pytest.approx((2 * half.width, 2 * half.height), abs=4)
    (reason,) = reasons(tmp_path).values()
    assert reason.startswith("Its picture other.png has 300×206 pixels, which is another shape")


def test_alto_in_tenths_of_millimetres(tmp_path):
    alto = """<alto xmlns="http://www.loc.gov/standards/alto/ns-v2#"><Description>
    <MeasurementUnit>mm10</MeasurementUnit><sourceImageInformation><fileName>a.png</fileName>
    </sourceImageInformation></Description><Layout><Page ID="p" WIDTH="254" HEIGHT="169.3333">
    <PrintSpace><TextBlock><TextLine HPOS="16.9333" VPOS="16.9333" WIDTH="220.1333" HEIGHT="25.4">
    <String CONTENT="first"/><SP/><String CONTENT="line"/></TextLine></TextBlock></PrintSpace>
    </Page></Layout></alto>"""
    put(tmp_path, {"a.xml": alto, "a.png": page_picture()})
    (line,) = read_line_set(tmp_path).lines
    assert (line.text, shade(line)) == ("first line", 10)


def test_files_beside_pages(tmp_path):
    put(tmp_path, {"page/a.xml": page_xml("a.png", *SIZE, {"one": BOX}), "a.png": page_picture()})
    put(tmp_path, {"alto/a.xml": written("alto", "a.png"), "b.png": page_picture(seed=1)})
    put(tmp_path, {"mets.xml": "<mets xmlns='http://www.loc.gov/METS/'/>", "a.txt": "one\ntwo\n"})
    put(tmp_path, {"page/empty.xml": page_xml("b.png", *SIZE, {})})
    put(tmp_path, {"page/gone.xml": page_xml("gone.png", *SIZE, {"one": BOX})})
    put(tmp_path, {"page/cut.xml": "<PcGts><Page>", "odd.xml": "<html/>", "bad.xml": "<"})
    put(tmp_path, {"list.json": "[]", "page/list.json": '{"version": 1, "pages": 5}'})
    assert [line.text for line in read_line_set(tmp_path).lines] == ["one"]
    found = reasons(tmp_path)
    assert found.pop("page/gone.xml") == (
        "Its picture gone.png is in no folder of the set, nor is a picture called gone."
    )
    assert found.pop("alto/a.xml") == "Its picture a.png was read with page/a.xml already."
    assert found.pop("page/empty.xml") == "None of its lines has a text."
    assert found.pop("b.png") == "It has no label in a PAGE, ALTO or JSON file."
    assert set(found) == {"page/cut.xml", "odd.xml", "bad.xml", "list.json", "page/list.json"}
    assert [line.text for line in read_line_set(tmp_path / "page/a.xml").lines] == ["one"]


def test_pages_in_an_archive(tmp_path):
    files = {"x/page/a.xml": page_xml("a.png", *SIZE, {"one": BOX}).encode()}
    for name in ("s.zip", "s.tgz"):
        found = read_line_set(packed(tmp_path / name, {**files, "x/a.png": page_picture()}))
        assert [(line.text, line.page) for line in found.lines] == [("one", "x/page/a")]


def test_a_document_of_several_pages(tmp_path):
    pages = [Page(*SIZE, (Region(PAGE_LINES[:1]),), number=n, source="all.tif") for n in (1, 2)]
    text = writers.render(Document(tuple(pages), "all.tif", ""), "json")
    frames = [Image.open(io.BytesIO(page_picture(seed=seed))) for seed in (0, 9)]
    put(tmp_path, {"all.json": text})
    frames[0].save(tmp_path / "all.tif", save_all=True, append_images=frames[1:])
    found = read_line_set(tmp_path)
    assert [(line.page, shade(line)) for line in found.lines] == [("all-1", 10), ("all-2", 19)]


def test_a_page_that_lies_on_its_side(tmp_path):
    upright = Image.open(io.BytesIO(page_picture()))
    page = Page(*SIZE, (Region(PAGE_LINES[:1]),), source="a.png").turned(270)
    assert page.orientation == 90
    put(tmp_path, {"a.json": writers.render(Document((page,), "a.png", ""), "json")})
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png")
    (line,) = read_line_set(tmp_path).lines
    image = Image.open(io.BytesIO(line.image))
    assert image.width > 5 * image.height
    assert shade(line) == 10


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
    rows = [one for one in found.skipped if one.where != "types.tsv"]
    assert [(one.where, one.reason.rpartition(" in ")[2]) for one in rows] == [
        (f"labels.tsv line {line}", f"labels.tsv line {other}.") for line, other in copies.items()
    ]
