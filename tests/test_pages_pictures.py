"""Pages of picture files: every format, every page of a TIFF, and what hostile files do."""

from __future__ import annotations

import io
import struct
import sys
import warnings
import weakref
import zlib

import numpy as np
import pytest
from PIL import Image

from trocr.pages import Limits, PageFailure, PageImage, read_pages

SHADES = (10, 90, 170, 250)


def page(shade: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new("RGB", size, (shade, shade, shade))


def encoded(kind: str, pages: list[Image.Image], **options: object) -> bytes:
    stream = io.BytesIO()
    pages[0].save(stream, kind, save_all=len(pages) > 1, append_images=pages[1:], **options)
    return stream.getvalue()


def tiff(*shades: int, **options: object) -> bytes:
    return encoded("TIFF", [page(shade) for shade in shades], **options)


def told(pages: object) -> list[object]:
    """The shade of each page, the message of each failure."""
    return [
        each.image.getpixel((20, 15))[0] if isinstance(each, PageImage) else str(each.error)
        for each in pages
    ]


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "JPEG2000"])
def test_formats(kind: str) -> None:
    [one] = read_pages(encoded(kind, [page(170)]))
    assert one.image.mode == "RGB"
    assert one.image.size == (40, 30)
    assert abs(one.image.getpixel((20, 15))[0] - 170) <= 3
    assert one.number == 1


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_every_page_of_a_tiff(compression: str | None) -> None:
    options = {"compression": compression} if compression else {}
    pages = list(read_pages(tiff(*SHADES, **options)))
    assert [each.number for each in pages] == [1, 2, 3, 4]
    assert np.allclose(told(pages), SHADES, atol=3)


def test_pages_of_a_tiff_differ_in_size_mode_and_resolution() -> None:
    deep = Image.fromarray(np.full((30, 40), 65535 * 2 // 3, np.uint16))
    kinds = [page(0, (10, 70)), deep, page(170).convert("CMYK"), page(170).convert("1")]
    stream = io.BytesIO()
    kinds[0].save(stream, "TIFF", save_all=True, append_images=kinds[1:], dpi=(200, 200))
    pages = list(read_pages(stream.getvalue()))
    assert [each.image.size for each in pages] == [(10, 70), *[(40, 30)] * 3]
    assert {each.image.mode for each in pages} == {"RGB"}
    assert told(pages[2:3]) == [170]
    assert pages[0].dpi == 200


@pytest.mark.parametrize(
    ("dpi", "expected"),
    [((300, 300), 300), ((72, 72), 72), ((1, 1), None), ((0, 0), None), (None, None)],
)
def test_the_resolution_that_a_file_states(dpi, expected) -> None:
    options = {"dpi": dpi} if dpi else {}
    [one] = read_pages(encoded("JPEG", [page(0)], **options))
    assert one.dpi == expected


def test_chosen_pages_of_a_tiff() -> None:
    assert told(read_pages(tiff(*SHADES), pages="2-3,-1")) == [90, 170, 250]
    shade, message = told(read_pages(tiff(*SHADES), pages="-9,1"))[::-1]
    assert shade == 10
    assert "has no page -9: it has 4 pages" in message
    [message] = told(read_pages(encoded("PNG", [page(0)]), pages="2-5"))
    assert "has no page 2-5: it has 1 page." in message


def test_the_first_frame_of_an_animation_unless_all_are_asked_for() -> None:
    for kind in ("GIF", "WEBP", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(kind, [page(shade) for shade in SHADES], **options)
        assert told(read_pages(data)) == [10], kind
        assert told(read_pages(data, frames=True)) == list(SHADES), kind
        assert told(read_pages(data, frames=True, pages="-2")) == [170], kind


def test_the_orientation_tag_holds_for_each_page() -> None:
    """Pillow writes one tag for all pages."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "TIFF"):
        [one] = read_pages(encoded(kind, [page(0)], exif=exif))
        assert one.image.size == (30, 40), kind


def test_one_page_is_in_memory_at_a_time() -> None:
    held: list[weakref.ref[Image.Image]] = []
    for each in read_pages(tiff(*SHADES)):
        held.append(weakref.ref(each.image))
        del each
        assert not any(one() for one in held)
    assert len(held) == 4


def directories(data: bytes) -> list[int]:
    """Where the directories of a little-endian TIFF are."""
    [at] = struct.unpack_from("<I", data, 4)
    found = []
    while at:
        found.append(at)
        [entries] = struct.unpack_from("<H", data, at)
        [at] = struct.unpack_from("<I", data, at + 2 + 12 * entries)
    return found


def patched(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + struct.pack("<I", value) + data[at + 4 :]


def link_after(data: bytes, directory: int) -> int:
    """Where a directory says where the next one is."""
    [entries] = struct.unpack_from("<H", data, directory)
    return directory + 2 + 12 * entries


def test_a_damaged_page_costs_only_itself() -> None:
    data = bytearray(tiff(*SHADES, compression="tiff_adobe_deflate"))
    strips = [at for at in range(len(data)) if data[at : at + 2] in (b"\x78\x9c", b"\x78\xda")]
    assert len(strips) >= 4
    data[strips[1] : strips[1] + 12] = b"\xff" * 12
    first, message, third, fourth = told(read_pages(bytes(data)))
    assert (first, third, fourth) == (10, 170, 250)
    assert "page 2 is damaged" in message


def test_a_tiff_whose_directories_form_a_circle_ends() -> None:
    data = tiff(*SHADES)
    where = directories(data)
    circle = patched(data, link_after(data, where[-1]), where[0])
    assert told(read_pages(circle)) == list(SHADES)
    to_itself = patched(data, link_after(data, where[1]), where[1])
    assert told(read_pages(to_itself)) == [10, 90]


@pytest.mark.parametrize("target", [3, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_tiff_with_a_bad_directory(target: int) -> None:
    data = tiff(*SHADES)
    where = directories(data)
    *good, message = told(read_pages(patched(data, link_after(data, where[1]), target)))
    assert good == [10, 90]
    assert "is damaged after picture 2" in message
    [failure] = read_pages(patched(data, 4, target))
    assert failure.error.hint


def test_a_tiff_that_is_cut() -> None:
    data = tiff(*SHADES)
    for length in range(8, len(data), 397):
        outcome = told(read_pages(data[:length]))
        assert all(each == SHADES[at] for at, each in enumerate(outcome) if each in SHADES)
        assert not set(outcome) <= set(SHADES), length


def test_thumbnails_and_masks_are_no_pages() -> None:
    data = tiff(*SHADES)
    for directory, kind in zip(directories(data)[1:3], (1, 4), strict=True):
        # Any tag may be turned into NewSubfileType; Pillow writes 10 tags it does not need.
        [entries] = struct.unpack_from("<H", data, directory)
        tags = [struct.unpack_from("<H", data, directory + 2 + 12 * at)[0] for at in range(entries)]
        spare = directory + 2 + 12 * tags.index(284)
        data = data[:spare] + struct.pack("<HHII", 254, 4, 1, kind) + data[spare + 12 :]
    pages = list(read_pages(data))
    assert told(pages) == [10, 250]
    assert [each.number for each in pages] == [1, 2]
    assert told(read_pages(data, pages="-1")) == [250]


def test_the_limit_of_pages() -> None:
    *good, message = told(read_pages(tiff(*SHADES), limits=Limits(pages=3)))
    assert good == [10, 90, 170]
    assert "has more than 3 pages" in message
    [message] = told(read_pages(tiff(*SHADES), limits=Limits(pages=3), pages="-1"))
    assert "has more than 3 pages" in message
    assert told(read_pages(tiff(*SHADES), limits=Limits(pages=4))) == list(SHADES)


def test_the_limit_of_pixels_is_for_each_page() -> None:
    data = encoded("TIFF", [page(10), page(90, (400, 300)), page(170)])
    first, message, third = told(read_pages(data, limits=Limits(pixels=10_000)))
    assert (first, third) == (10, 170)
    assert "page 2 is too large to decode (400×300 pixels" in message


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes, size: tuple[int, int] = (40, 30), pixels: bytes | None = None) -> bytes:
    header = struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + b"\xaa" * size[0] for _ in range(min(size[1], 30)))
    data = zlib.compress(rows) if pixels is None else pixels
    body = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def test_bombs_in_a_png() -> None:
    zeros = zlib.compressobj(9)
    bomb = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(20)) + zeros.flush()
    assert told(read_pages(png())) == [170]
    assert told(read_pages(png(pixels=bomb))) == [0]  # the rest is never unpacked
    for kind, start in ((b"zTXt", b"Comment\0\0"), (b"iTXt", b"Comment\0\1\0\0\0")):
        [failure] = read_pages(png(chunk(kind, start + bomb)))
        assert "is damaged" in str(failure.error), kind
    [outcome] = told(read_pages(png(chunk(b"iCCP", b"profile\0\0" + bomb))))
    assert outcome == 170 or "is damaged" in outcome
    [failure] = read_pages(png(size=(30_000, 30_000)))
    assert "too large" in str(failure.error)


HEIC = struct.pack(">I", 24) + b"ftypheic" + bytes(12) + b"mif1heic" + bytes(64)


def test_heic_without_its_plugin_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    [failure] = read_pages(HEIC)
    assert isinstance(failure, PageFailure)
    assert "HEIC" in failure.error.message
    assert "pillow-heif" in failure.error.hint


def test_heic_with_its_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plugin:
        @staticmethod
        def HeifImageFile(stream: io.BytesIO) -> Image.Image:  # noqa: N802
            assert stream.tell() == 0
            if stream.getvalue() != HEIC:
                raise ValueError("bad box")
            return page(90)

    monkeypatch.setitem(sys.modules, "pillow_heif", Plugin)
    assert told(read_pages(HEIC)) == [90]
    [failure] = read_pages(HEIC + b"x")
    assert "is damaged: bad box" in str(failure.error)
