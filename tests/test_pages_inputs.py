"""Folders, patterns, lists, streams and objects are found in order; a bad one costs only itself."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from trocr.errors import UsageError
from trocr.pages import Limits, PageFailure, PageImage, find_inputs, read_pages
from trocr.pages.selection import parse_selection


def png(shade: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 4), (shade, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder like people have."""
    names = ["page 10.png", "Page 2.PNG", "page 1.jpg.png", "b/10.png", "b/9.png", "a 3/x.png"]
    for name in [*names, ".hidden.png", ".git/x.png", "notes.txt", "b/data.json", "[1].png"]:
        file = tmp_path / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png())
    return tmp_path / "in"


def relatives(source: object) -> list[str]:
    return [found.relative.as_posix() for found in find_inputs(source)]


def shades(source: object, **options: object) -> list[int]:
    """The red of the first pixel of every page; -1 for a failure."""
    pages = read_pages(source, **options)
    return [page.image.getpixel((0, 0))[0] if isinstance(page, PageImage) else -1 for page in pages]


def test_a_folder_is_read_in_natural_order(tree: Path) -> None:
    expected = ["[1].png", "a 3/x.png", "b/9.png", "b/10.png"]
    expected += ["page 1.jpg.png", "Page 2.PNG", "page 10.png"]
    assert relatives(tree) == relatives(str(tree)) == expected
    assert [found.name for found in find_inputs(tree)] == [str(tree / name) for name in expected]


def test_patterns(tree: Path) -> None:
    assert relatives(f"{tree}/b/*.png") == ["9.png", "10.png"]
    assert relatives(f"{tree}/*/*.png") == ["a 3/x.png", "b/9.png", "b/10.png"]
    assert relatives(tree / "**" / "1*.png") == ["b/10.png"]
    assert relatives(f"{tree}/b/*") == ["9.png", "10.png", "data.json"]
    assert relatives(f"{tree}/[1].png") == ["[1].png"]  # a file of that name comes first


def test_nothing_found_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").touch()
    [nothing] = read_pages(tmp_path / "empty")
    assert "holds no pictures and no PDF" in str(nothing.error)
    [nothing] = read_pages(f"{tmp_path}/*.png")
    assert "matches no file" in str(nothing.error)
    assert nothing.error.hint


def test_a_link_back_up_is_not_followed(tree: Path) -> None:
    before = relatives(tree)
    (tree / "b" / "up").symlink_to(tree)
    (tree / "b" / "99.png").symlink_to(tree / "nowhere.png")
    assert relatives(tree) == [*before[:4], "b/99.png", *before[4:]]
    assert shades(tree)[4] == -1


def test_a_folder_that_cannot_be_listed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.scandir

    def refuse(path: object) -> object:
        if Path(os.fspath(path)).name == "b":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    pages = list(read_pages(tree))
    [failure] = [page for page in pages if isinstance(page, PageFailure)]
    assert failure.source == str(tree / "b")
    assert "cannot be listed" in str(failure.error)
    assert len(pages) == 6


def test_every_kind_of_source(tmp_path: Path) -> None:
    path = tmp_path / "é 1.png"
    path.write_bytes(png(7))
    half_read = io.BytesIO(b"skipped" + png(7))
    half_read.read(7)
    picture = Image.new("RGB", (8, 4), (7, 0, 0))
    sources = [str(path), path, png(7), bytearray(png(7)), memoryview(png(7)), io.BytesIO(png(7))]
    sources += [half_read, picture, np.asarray(picture), [path, [png(7), (picture,)]]]
    for source in sources:
        assert set(shades(source)) == {7}, type(source)
    with path.open("rb") as file, path.open("rb", buffering=0) as raw:
        assert shades([file, raw]) == [7, 7]
    assert [page.source for page in read_pages([path, png(7), picture])] == [
        str(path),
        f"{len(png(7))} bytes",
        "image",
    ]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as pipe, os.fdopen(write_end, "wb") as sink:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=pipe))
        writer = threading.Thread(target=lambda: (sink.write(png(5)), sink.close()))
        writer.start()
        [page] = read_pages("-")
        writer.join()
    assert (page.source, page.image.getpixel((0, 0))) == ("stdin", (5, 0, 0))


def test_a_pipe_has_a_limit_and_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        name = "endless"

        def __init__(self, data: bytes) -> None:
            self.data = data

        def read(self, size: int) -> bytes:
            return self.data

    [failure] = read_pages(Endless(b"\0" * 9000), limits=Limits(stream_bytes=1 << 20))
    assert "endless is longer than 1,048,576 bytes" in str(failure.error)

    monkeypatch.setattr("trocr.pages.spool._IN_MEMORY", 20)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    [failure] = read_pages(io.BufferedReader(Unseekable(png(3))))
    assert "cannot be kept in" in str(failure.error)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert shades(io.BufferedReader(Unseekable(png(3)))) == [3]


class Unseekable(io.RawIOBase):
    """Bytes as from a pipe."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        return self.data.readinto(buffer)


def test_a_bad_one_costs_only_itself(tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    good.write_bytes(png(9))
    (tmp_path / "cut.png").write_bytes(png()[:40])
    (tmp_path / "text.png").write_text("no picture at all")
    (tmp_path / "empty.pdf").touch()
    bad = [tmp_path / "cut.png", tmp_path / "text.png", tmp_path / "empty.pdf", "nowhere.png"]
    bad += [None, 7, io.StringIO("text"), b"", np.zeros((2, 2, 5)), tmp_path]
    for each in bad[:-1]:
        pages = list(read_pages([good, each, good]))
        assert [type(page) for page in pages] == [PageImage, PageFailure, PageImage], each
        assert pages[1].error.hint
    assert sorted(shades(tmp_path)) == [-1, -1, -1, 9]


def test_reading_is_lazy() -> None:
    class Never:
        def read(self, size: int) -> bytes:
            raise AssertionError("read too early")

    pages = read_pages([png(1), Never()])
    assert next(pages).image.getpixel((0, 0)) == (1, 0, 0)


def test_an_object_that_breaks_while_it_is_read() -> None:
    class Broken:
        def read(self, size: int) -> bytes:
            raise OSError(5, "Input/output error")

    [failure, page] = read_pages([Broken(), png()])
    assert "Broken cannot be read" in str(failure.error)
    assert isinstance(page, PageImage)


@pytest.mark.parametrize(
    ("text", "count", "pages", "absent"),
    [
        (None, 3, [1, 2, 3], []),
        ("1-3,7,-1", 9, [1, 2, 3, 7, 9], []),
        ("-1, 2-4, 3-5, 2", 6, [2, 3, 4, 5, 6], []),
        ("5-", 7, [5, 6, 7], []),
        ("-3--2", 7, [5, 6], []),
        ("-3-", 7, [5, 6, 7], []),
        ("-2-", 1, [1], []),
        ("1-999999999", 2, [1, 2], []),
        ("7,1", 5, [1], ["7"]),
        ("-7,6-9", 5, [], ["-7", "6-9"]),
        ("4--1", 2, [], ["4--1"]),
    ],
)
def test_page_ranges(text, count, pages, absent) -> None:
    runs, missing = parse_selection(text).choose(count)
    assert [number for run in runs for number in run] == pages
    assert sorted(missing) == sorted(absent)


@pytest.mark.parametrize("text", ["", "x", "1-2-3", "0", "3-0", "5-2", "-1--3", "1,,2", "1.5", "-"])
def test_bad_page_ranges_are_refused_at_once(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be used") as raised:
        read_pages("scan.pdf", pages=text)
    assert "1-3,7,-1" in raised.value.hint


@pytest.mark.parametrize("dpi", [0, -1, float("nan"), float("inf")])
def test_bad_resolutions_are_refused_at_once(dpi: float) -> None:
    with pytest.raises(UsageError, match="no resolution"):
        read_pages("scan.pdf", dpi=dpi)


def test_pages_that_were_read_before_are_skipped(tmp_path: Path) -> None:
    first, *others = (Image.new("L", (8, 8), shade) for shade in (10, 90, 170, 250))
    path = tmp_path / "scan.tif"
    first.save(path, save_all=True, append_images=others)
    numbers = [page.number for page in read_pages(path, skip={1, 3})]
    assert numbers == [2, 4]
    assert [page.number for page in read_pages(path, pages="2-", skip={2, 3})] == [4]
    assert not list(read_pages(path, skip={1, 2, 3, 4}))
    Image.new("L", (8, 8)).save(tmp_path / "one.png")
    assert not list(read_pages(tmp_path / "one.png", skip={1}))
