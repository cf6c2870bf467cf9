import contextlib
import io
import random
import tarfile

import pytest

from trocr.errors import DataError
from trocr.labelled_lines import LabelledLine, read_labelled_lines, write_labelled_lines

LINES = [
    LabelledLine("images/a_001.png", b"first", 'SAYS "HI"\u2028'),
    LabelledLine("images/b_001.png", b"second", "Größe 3,50 €"),
]


@pytest.fixture
def folder(tmp_path):
    write_labelled_lines(LINES, tmp_path / "set")
    return tmp_path / "set"


def test_a_folder_reads_back(folder):
    assert list(read_labelled_lines(folder)) == LINES


@pytest.mark.parametrize(("name", "mode"), [("set.tar", "w"), ("set.tar.gz", "w:gz")])
def test_an_archive_reads_the_same(folder, tmp_path, name, mode):
    with tarfile.open(tmp_path / name, mode) as archive:
        archive.add(folder, arcname=".")
    assert list(read_labelled_lines(tmp_path / name)) == LINES


def test_windows_line_ends(folder):
    labels = folder / "labels.tsv"
    labels.write_bytes(labels.read_bytes().replace(b"\n", b"\r\n"))
    assert [line.text for line in read_labelled_lines(folder)] == [line.text for line in LINES]


def test_a_missing_picture_is_named(folder):
    (folder / "images/b_001.png").unlink()
    with pytest.raises(DataError, match="b_001"):
        list(read_labelled_lines(folder))


def test_a_row_without_a_tab_is_named(folder):
    (folder / "labels.tsv").write_text("file\ttext\nimages/a_001.png TOTAL\n")
    with pytest.raises(DataError, match="line 2"):
        list(read_labelled_lines(folder))


def test_no_such_set(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        list(read_labelled_lines(tmp_path / "nowhere"))


def test_a_damaged_archive(tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo("labels.tsv")
        member.size = 50_000
        archive.addfile(member, io.BytesIO(random.Random(0).randbytes(member.size)))
    (tmp_path / "set.tar.gz").write_bytes(stream.getvalue()[:20_000])
    with pytest.raises(DataError, match=r"set\.tar\.gz"):
        list(read_labelled_lines(tmp_path / "set.tar.gz"))


def test_no_labels(tmp_path):
    with pytest.raises(DataError, match=r"labels\.tsv"):
        list(read_labelled_lines(tmp_path))


def test_a_flipped_byte_in_an_archive(folder, tmp_path):
    path = tmp_path / "set.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, arcname=".")
    good = path.read_bytes()
    for position in range(20, len(good) - 8, 7):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0x55]) + good[position + 1 :])
        with contextlib.suppress(DataError):
            list(read_labelled_lines(path))
