"""What cannot be trained on is named, and no other line suffers."""

import json
import os
import unicodedata
import zlib

import pytest
from line_set_files import (
    TEXTS,
    picture,
    pictures,
    put,
    reasons,
    texts,
)

from trocr.errors import DataError
from trocr.line_sets import read_line_set, sources

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
