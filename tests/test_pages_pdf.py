"""PDF pages: drawn at the right resolution, text where the ink is, hostile files one clear error.

The files are written by hand, so that each holds exactly what a test is about.
"""

from __future__ import annotations

import hashlib
import io
import sys
import threading
import weakref
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageOps

from trocr.document import union
from trocr.pages import Limits, PageFailure, PageImage, read_pages
from trocr.pages.pdf_resolution import page_dpi

SQUARE = "10 10 20 20 re f"  # black, near the lower left corner


def stream(data: bytes | str, entries: str = "") -> bytes:
    data = data.encode("latin-1") if isinstance(data, str) else data
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries.encode(), len(data), data)


def file(objects: dict[int, bytes | str], trailer: str = "") -> bytes:
    """A PDF of numbered objects; number 1 is the catalog."""
    data, offsets = bytearray(b"%PDF-1.7\n"), {}
    for number, body in objects.items():
        offsets[number] = len(data)
        body = body.encode("latin-1") if isinstance(body, str) else body
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n0 1\n0000000000 65535 f \n"
    for number, offset in offsets.items():
        data += b"%d 1\n%010d 00000 n \n" % (number, offset)
    size = max(offsets) + 1
    data += f"trailer\n<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{start}\n%%EOF".encode()
    return bytes(data)


def pdf(
    *contents: str,
    box: str = "0 0 144 72",
    page: str = "",
    more: dict[int, bytes | str] | None = None,
    trailer: str = "",
) -> bytes:
    """Pages of 2×1 inches; ``/F`` is Helvetica, objects of `more` (numbers from 1000) are added."""
    resources = "/Font<</F 3 0 R>>/XObject<<" + "".join(f"/X{n} {n} 0 R" for n in more or {}) + ">>"
    numbers = [10 + 2 * at for at in range(len(contents))]
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects: dict[int, bytes | str] = {
        1: "<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Kids[{kids}]/Count {len(contents)}/MediaBox[{box}]"
        f"/Resources<<{resources}>>>>",
        3: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    }
    for number, content in zip(numbers, contents, strict=True):
        objects[number] = f"<</Type/Page/Parent 2 0 R/Contents {number + 1} 0 R{page}>>"
        objects[number + 1] = stream(content)
    return file(objects | (more or {}), trailer)


def picture(pixels: np.ndarray) -> bytes:
    """A grey picture as an object, 8 bits a pixel."""
    rows, columns = pixels.shape
    entries = f"/Type/XObject/Subtype/Image/Width {columns}/Height {rows}/BitsPerComponent 8"
    entries += "/ColorSpace/DeviceGray/Filter/FlateDecode"
    return stream(zlib.compress(pixels.tobytes()), entries)


def noise(columns: int, rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, columns), np.uint8)


def only(source: object, **options: object) -> PageImage:
    [page] = read_pages(source, **options)
    assert isinstance(page, PageImage), page
    return page


def problem(source: object, **options: object) -> str:
    [failure] = read_pages(source, **options)
    assert isinstance(failure, PageFailure)
    assert failure.error.hint
    return str(failure.error)


def numbers(pages: Iterable[PageImage | PageFailure]) -> list[int | str]:
    return [p.number if isinstance(p, PageImage) else str(p.error) for p in pages]


def ink(image: Image.Image) -> tuple[int, int, int, int] | None:
    return ImageOps.invert(image.convert("L")).point(lambda value: 255 * (value > 99)).getbbox()


def test_every_way_to_give_a_pdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, path = pdf(SQUARE), tmp_path / "é.dat"
    path.write_bytes(data)
    with path.open("rb") as opened:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        for source in (str(path), path, data, io.BytesIO(data), opened, "-", b"\xff\n" + data):
            page = only(source, dpi=72)
            assert page.image.mode == "RGB"
            assert page.image.size == (144, 72)
            assert ink(page.image) == (10, 42, 30, 62)
    assert only(path).source == str(path)


def test_drawn_pages_get_300_dpi_and_large_ones_less() -> None:
    page = only(pdf(SQUARE))
    assert page.dpi == 300
    assert page.image.size == (600, 300)
    for box, expected in [("0 0 595 842", 300), ("0 0 1191 1684", 227), ("0 0 2384 3370", 200)]:
        with pypdfium2.PdfDocument(pdf(SQUARE, box=box)) as document:
            assert round(page_dpi(document[0])) == expected, box


def test_a_scan_keeps_its_very_pixels() -> None:
    """Sides that are no whole numbers of points, where rounding up would blur everything."""
    pixels = noise(171, 233)
    for dpi in (72, 150, 203.2, 300, 600):
        width, height = 171 * 72 / dpi, 233 * 72 / dpi
        scan = pdf(
            f"{width:.4f} 0 0 {height:.4f} 0 0 cm /X1000 Do",
            box=f"0 0 {width:.4f} {height:.4f}",
            more={1000: picture(pixels)},
        )
        page = only(scan)
        assert page.dpi == pytest.approx(dpi, rel=1e-3)
        assert np.array_equal(np.asarray(page.image)[..., 0], pixels)


def test_a_scan_that_is_turned() -> None:
    pixels = noise(171, 233)
    width, height = 171 * 0.72, 233 * 0.72
    content = f"{width:.4f} 0 0 {height:.4f} 0 0 cm /X1000 Do"
    box = f"0 0 {width:.4f} {height:.4f}"
    for rotation in (90, 180, 270):
        turned = f"/Rotate {rotation}"
        page = only(pdf(content, box=box, page=turned, more={1000: picture(pixels)}))
        expected = np.rot90(pixels, -rotation // 90)
        assert np.array_equal(np.asarray(page.image)[..., 0], expected), rotation


FULL = "q 144 0 0 72 0 0 cm /X1000 Do Q "


@pytest.mark.parametrize(
    ("content", "pictures", "expected"),
    [
        (FULL, [(300, 150)], 150),
        (FULL + "BT 3 Tr /F 9 Tf 9 9 Td (hidden text of a scan) Tj ET", [(300, 150)], 150),
        (FULL + "BT /F 9 Tf 9 9 Td (Page 1) Tj ET", [(300, 150)], 300),
        (FULL + SQUARE, [(800, 400)], 400),
        (FULL + "q 144 0 0 72 0 0 cm /X1001 Do Q", [(200, 100), (700, 350)], 350),
        ("q 144 0 0 36 0 0 cm /X1000 Do Q q 144 0 0 36 0 36 cm /X1000 Do Q", [(500, 125)], 250),
        ("q 40 0 0 20 0 0 cm /X1000 Do Q", [(300, 150)], 300),
        (FULL + "q 9 0 0 9 0 0 cm /X1001 Do Q", [(300, 150), (100, 100)], 150),
        (FULL, [(1, 1)], 72),
        (FULL, [(204, 196)], 196),
        ("q 0 72 -144 0 144 0 cm /X1000 Do Q", [(150, 300)], 150),
    ],
    ids=str,
)
def test_the_resolution_of_a_page(content, pictures, expected) -> None:
    more = {1000 + at: picture(noise(*size)) for at, size in enumerate(pictures)}
    with pypdfium2.PdfDocument(pdf(content, more=more)) as document:
        assert page_dpi(document[0]) == pytest.approx(expected, rel=1e-3)


def test_a_scan_inside_of_a_form() -> None:
    form = stream(
        "1 0 0 1 0 0 cm /X1000 Do",
        "/Type/XObject/Subtype/Form/BBox[0 0 1 1]/Resources<</XObject<</X1000 1000 0 R>>>>",
    )
    more = {1000: picture(noise(500, 250)), 1001: form}
    with pypdfium2.PdfDocument(pdf("144 0 0 72 0 0 cm /X1001 Do", more=more)) as document:
        assert page_dpi(document[0]) == pytest.approx(250)


def test_a_picture_finer_than_anyone_needs() -> None:
    """A page of one square inch may be fine; a large one at 5,000 DPI would fill the memory."""
    more = {1000: picture(np.zeros((1, 5000), np.uint8))}
    small = pdf("72 0 0 72 0 0 cm /X1000 Do", box="0 0 72 72", more=more)
    large = pdf(
        "720 0 0 720 0 0 cm /X1000 Do",
        box="0 0 720 720",
        more=more | {1000: picture(np.zeros((1, 50000), np.uint8))},
    )
    with pypdfium2.PdfDocument(small) as one, pypdfium2.PdfDocument(large) as other:
        assert page_dpi(one[0]) == pytest.approx(5000)
        assert page_dpi(other[0]) == pytest.approx(707, abs=1)


def test_pixel_limit_lowers_the_resolution_to_72_and_no_further() -> None:
    page = only(pdf(SQUARE), limits=Limits(pixels=20_000))
    assert page.dpi == pytest.approx(100)
    assert page.image.size == (200, 100)
    message = problem(pdf(SQUARE), limits=Limits(pixels=10_000))
    assert "page 1 is too large to draw at 72 DPI (2×1 inches; the limit is 10,000" in message
    message = problem(pdf(SQUARE), dpi=200, limits=Limits(pixels=20_000))
    assert "too large to draw at 200 DPI" in message
    assert "Choose a lower resolution." in message


def test_chosen_pages() -> None:
    ten = pdf(*[SQUARE] * 10)
    assert numbers(read_pages(ten, dpi=36, pages="1-3,7,-1")) == [1, 2, 3, 7, 10]
    absent, page = numbers(read_pages(ten, dpi=36, pages="2,11"))
    assert page == 2
    assert "has no page 11: it has 10 pages." in absent


def test_page_limit() -> None:
    assert "has 4 pages to read; the limit is 3." in problem(
        pdf(*[SQUARE] * 4), limits=Limits(pages=3)
    )
    some = read_pages(pdf(*[SQUARE] * 4), dpi=36, pages="2-", limits=Limits(pages=3))
    assert numbers(some) == [2, 3, 4]


TEXT = "BT /F 8 Tf 20 40 Td (Brave \\(new\\) world) Tj 0 -20 Td (in \\251 two lines) Tj ET"


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_embedded_text_lies_over_its_ink(rotation: int) -> None:
    """On a page whose box starts elsewhere than at 0, 0, and which is shown turned."""
    turned = f"/Rotate {rotation}/CropBox[10 5 140 70]"
    page = only(pdf(TEXT, page=turned), embedded_text=True, dpi=144)
    assert page.image.size == ((260, 130) if rotation in (0, 180) else (130, 260))
    first, second = sorted(page.embedded_text, key=lambda line: line.text)
    assert (first.text, second.text) == ("Brave (new) world", "in © two lines")
    assert [word.text for word in first.words] == ["Brave", "(new)", "world"]
    assert first.confidence is None
    assert second.box != first.box
    for line in page.embedded_text:
        for box in [*(word.box for word in line.words), line.box]:
            left, top, right, bottom = ink(page.image.crop(box))
            width, height = box[2] - box[0], box[3] - box[1]
            margins = sorted([left, top, width - right, height - bottom])
            assert margins[1] <= 2
            assert margins[3] <= 10
    outside = page.image.copy()
    for line in page.embedded_text:
        outside.paste("white", line.box)
    assert ink(outside) is None
    (x0, y0), (x1, y1) = first.baseline
    steps = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}
    assert (np.sign(round(x1 - x0)), np.sign(round(y1 - y0))) == steps[rotation]


def test_embedded_words_in_pieces_hyphens_and_rare_characters() -> None:
    to_unicode = stream(
        "1 begincodespacerange <00> <FF> endcodespacerange\n1 beginbfchar\n"
        "<41> <D835DC00>\nendbfchar"
    )
    font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 1000 0 R>>"
    text = "BT /F 8 Tf 9 50 Td (wor) Tj (ld  A) Tj 0 -20 Td (hyphen-) Tj 0 -10 Td (ated) Tj ET"
    data = pdf(text, more={1000: to_unicode, 1001: font}).replace(b"/F 3 0 R", b"/F 1001 0 R")
    page = only(data, embedded_text=True, dpi=72)
    assert [line.text for line in page.embedded_text] == ["world \U0001d400", "hyphen-", "ated"]


def test_embedded_text_is_there_only_if_asked_for() -> None:
    assert only(pdf(TEXT), dpi=36).embedded_text is None
    assert only(pdf(SQUARE), dpi=36, embedded_text=True).embedded_text == ()
    hidden = only(pdf("BT 3 Tr" + TEXT[2:]), dpi=36, embedded_text=True)
    assert ink(hidden.image) is None
    assert hidden.embedded_text[0].text == "Brave (new) world"
    assert union(line.box for line in hidden.embedded_text)
    outside = only(pdf("BT /F 8 Tf 500 40 Td (far away) Tj ET"), dpi=36, embedded_text=True)
    assert outside.embedded_text == ()


def test_form_fields_and_annotations_are_drawn() -> None:
    more = {
        1000: stream("0 0 9 9 re f", "/Type/XObject/Subtype/Form/BBox[0 0 9 9]"),
        1001: "<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(x)/Rect[100 30 109 39]/F 4"
        "/AP<</N 1000 0 R>>/P 10 0 R>>",
        1002: "<</Type/Annot/Subtype/Stamp/Rect[50 30 59 39]/F 4/AP<</N 1000 0 R>>>>",
    }
    data = pdf("", page="/Annots[1001 0 R 1002 0 R]", more=more)
    form = b"/AcroForm<</Fields[1001 0 R]>>>>"
    data = data.replace(b"/Pages 2 0 R>>", b"/Pages 2 0 R" + form, 1)
    assert ink(only(data, dpi=72).image) == (50, 33, 109, 42)


def rc4(key: bytes, data: bytes) -> bytes:
    """Encryption of PDF 1.1, which needs no more than this."""
    box, at = list(range(256)), 0
    for i in range(256):
        at = (at + box[i] + key[i % len(key)]) % 256
        box[i], box[at] = box[at], box[i]
    result, i, at = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        at = (at + box[i]) % 256
        box[i], box[at] = box[at], box[i]
        result.append(byte ^ box[(box[i] + box[at]) % 256])
    return bytes(result)


def encrypted(content: str, user: str, owner: str = "owner") -> bytes:
    """Algorithms 1 to 4 of ISO 32000-1, 7.6, revision 2: a key of 40 bits."""
    padding = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
    padded = (user.encode() + padding)[:32]
    owner_key = hashlib.md5((owner.encode() + padding)[:32]).digest()[:5]
    owner_entry = rc4(owner_key, padded)
    permissions = (2**32 - 4).to_bytes(4, "little")
    key = hashlib.md5(padded + owner_entry + permissions + b"id").digest()[:5]
    locked = rc4(hashlib.md5(key + bytes([11, 0, 0, 0, 0])).digest()[:10], content.encode())
    entry = f"<</Filter/Standard/V 1/R 2/P -4/O<{owner_entry.hex()}>/U<{rc4(key, padding).hex()}>>>"
    data = pdf("x" * len(content), more={1000: entry}, trailer="/Encrypt 1000 0 R/ID[(id)(id)]")
    return data.replace(b"x" * len(content), locked)


def test_encrypted() -> None:
    assert "is encrypted. Give its password." in problem(encrypted(SQUARE, "user"))
    for password in ("user", "owner"):
        page = only(encrypted(SQUARE, "user"), password=password, dpi=72)
        assert ink(page.image) == (10, 42, 30, 62)
    wrong = problem(encrypted(SQUARE, "user"), password="guess")
    assert "The password for" in wrong
    assert "is wrong" in wrong
    assert "guess" not in wrong
    for password in (None, "", "guess"):  # anyone may read, only the owner may change
        assert ink(only(encrypted(SQUARE, ""), password=password, dpi=72).image)
    assert ink(only(pdf(SQUARE), password="needless", dpi=72).image)


def test_an_unknown_encryption_says_so() -> None:
    data = pdf(SQUARE, more={1000: "<</Filter/Other/V 9/R 9>>"}, trailer="/Encrypt 1000 0 R")
    assert "encrypted in a way that PDFium does not know" in problem(data)


def test_damaged_files() -> None:
    for data in (b"%PDF-1.7\n", b"%PDF-1.7\n" + bytes(5000), pdf(), file({1: "<<>>"})):
        assert "is a damaged PDF" in problem(data)
    whole = pdf(*[SQUARE] * 5)
    for length in range(20, len(whole), 61):
        for page in read_pages(whole[:length], dpi=36):
            assert isinstance(page, PageImage) or page.error.hint
    whole = pdf(FULL + TEXT, page="/Rotate 90", more={1000: picture(noise(30, 20))})
    noisy = bytearray(whole)
    for seed in range(40):
        random = np.random.default_rng(seed)
        noisy[:] = whole
        for at in random.integers(0, len(whole), 30):
            noisy[at] = random.integers(256)
        for page in read_pages(bytes(noisy), embedded_text=True, limits=Limits(pixels=10**6)):
            assert isinstance(page, PageImage) or page.error.hint


def test_a_file_whose_table_is_wrong_is_repaired() -> None:
    whole = pdf(*[SQUARE] * 3)
    assert numbers(read_pages(whole.replace(b"%PDF-1.7", b"%PDF-1.7\n%more"), dpi=36)) == [1, 2, 3]
    assert numbers(read_pages(whole[: whole.index(b"startxref")], dpi=36)) == [1, 2, 3]


def test_a_page_that_is_missing_costs_only_itself() -> None:
    for instead in (b"99 0 R", b"3 0 R", b"null"):
        data = pdf(SQUARE, SQUARE, SQUARE).replace(b"12 0 R 14", instead + b" 14")
        first, message, third = numbers(read_pages(data, dpi=36))
        assert (first, third) == (1, 3)
        assert "page 2 is damaged" in message


def test_a_page_of_bombastic_size_costs_only_itself() -> None:
    for box in ("0 0 200000 200000", "-2147483648 -2147483648 2147483647 2147483647"):
        data = pdf(SQUARE, "", SQUARE).replace(
            b"/Contents 13 0 R", f"/Contents 13 0 R/MediaBox[{box}]".encode()
        )
        first, message, third = numbers(read_pages(data))
        assert (first, third) == (1, 3)
        assert "page 2 is too large to draw" in message
    for box in (
        "0 0 0 0",
        "5 5 5 90",
        "a b c d",
        "0 0 1e9 1e9",
    ):  # PDFium takes such a page for US Letter
        page = only(pdf("", box=box), dpi=10)
        assert page.image.size == (85, 110)


def test_a_million_pages() -> None:
    """A small file whose tree names the same page again and again."""
    kids = "3 0 R " * 1000
    branches = "4 0 R " * 1000
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Kids[{branches}]/Count 1000000/MediaBox[0 0 72 72]>>",
        3: "<</Type/Page/Parent 4 0 R>>",
        4: f"<</Type/Pages/Parent 2 0 R/Kids[{kids}]/Count 1000>>",
    }
    assert "has 1,000,000 pages to read; the limit is 10,000." in problem(file(objects))
    assert len(list(read_pages(file(objects), dpi=36, pages="1-2"))) == 2


@pytest.mark.parametrize("count", ["5", "-1", "99999999", "(x)"])
def test_a_count_of_pages_that_lies(count: str) -> None:
    data = pdf(SQUARE, SQUARE).replace(b"/Count 2", f"/Count {count}".encode())
    first, second, *others = numbers(read_pages(data, dpi=36))
    assert (first, second) == (1, 2)
    assert all("is damaged" in str(other) for other in others)


def test_a_picture_of_many_pixels_is_drawn_small() -> None:
    side = 16_000  # 32 MB, packed to 30 KB
    data = zlib.compress(bytes(side // 8 * side), 1)
    entries = f"/Type/XObject/Subtype/Image/Width {side}/Height {side}/BitsPerComponent 1"
    entries += "/ColorSpace/DeviceGray/Filter/FlateDecode"
    bomb = {1000: stream(data, entries)}
    page = only(pdf("144 0 0 72 0 0 cm /X1000 Do", more=bomb), limits=Limits(pixels=10**6))
    assert page.image.width * page.image.height <= 10**6
    assert page.image.getpixel((9, 9)) == (0, 0, 0)


def test_forms_inside_of_each_other_end() -> None:
    depth = 2000
    forms = {
        1000 + level: stream(
            f"/X{1001 + level % depth} Do",
            "/Type/XObject/Subtype/Form/BBox[0 0 144 72]"
            f"/Resources<</XObject<</X{1001 + level % depth} {1001 + level % depth} 0 R>>>>",
        )
        for level in range(depth + 1)
    }
    assert only(pdf(SQUARE + " /X1000 Do", more=forms), dpi=36).image.size == (72, 36)


def test_one_page_is_in_memory_at_a_time() -> None:
    held: list[weakref.ref[Image.Image]] = []
    for page in read_pages(pdf(*[SQUARE] * 5), dpi=36):
        held.append(weakref.ref(page.image))
        del page
        assert not any(one() for one in held)
    assert len(held) == 5


STATM = Path("/proc/self/statm")


@pytest.mark.skipif(not STATM.exists(), reason="tells memory as Linux does")
def test_memory_stays_flat_over_many_pages() -> None:
    """Each page brings a megabyte that PDFium would keep."""
    data = np.random.default_rng(0).bytes(1 << 20)
    entries = (
        "/Type/XObject/Subtype/Image/Width 9/Height 9/BitsPerComponent 8/ColorSpace/DeviceGray"
    )
    more = {1000 + at: stream(data, entries) for at in range(96)}
    whole = pdf(*(f"144 0 0 72 0 0 cm /X{number} Do" for number in more), more=more)
    held = [int(STATM.read_text().split()[1]) * 4096 for _ in read_pages(whole)]
    assert len(held) == 96
    assert held[-1] - held[31] < 24 << 20


def test_stopping_early_lets_go_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(pdf(*[SQUARE] * 5))
    pages = read_pages(path, dpi=36)
    next(pages)
    pages.close()
    links = [Path(f"/proc/self/fd/{each.name}") for each in Path("/proc/self/fd").iterdir()]
    assert path not in [link.resolve() for link in links if link.exists()]


def test_threads() -> None:
    """PDFium itself knows no threads."""
    data, found = pdf(*[SQUARE + TEXT] * 12), []

    def read() -> None:
        found.append(numbers(read_pages(data, dpi=72, embedded_text=True)))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [list(range(1, 13))] * 4


def test_without_pypdfium2_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    message = problem(pdf(SQUARE))
    assert "pypdfium2" in message
    assert "pip install 'trocr[pdf]'" in message


def test_pages_that_were_read_before_are_not_drawn() -> None:
    assert numbers(read_pages(pdf(*[SQUARE] * 4), dpi=72, skip={1, 3})) == [2, 4]
    assert not list(read_pages(pdf(SQUARE), skip={1}))
