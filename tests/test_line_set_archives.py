"""Sets in archives read as in folders, and do no harm."""

import os
import random
import tarfile

import pytest
from line_set_files import TEXTS, TSV, packed, picture, pictures, reasons, texts

from trocr.errors import DataError
from trocr.line_sets import archives, read_line_set


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
