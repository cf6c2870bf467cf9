"""Searchable PDF: the original is untouched, other programs find our text where it stands."""

from __future__ import annotations

import html
import io
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pikepdf
import pypdf
import pypdfium2
import pytest
from documents import BOX, EDGE_CASES, HEBREW, full, line_of, page_of, thousand_lines
from PIL import Image, ImageDraw

from trocr.document import Box, Document, Line, Page, Region, Word, rectangle, union
from trocr.errors import ImageError, UsageError
from trocr.image import load_image
from trocr.writers import Options, render

DPI = 200
LINES = (
    line_of("A searchable line", (40, 60, 400, 90)),
    line_of("1 % of 23,45 ¤ é", (41, 123, 377, 149)),
    Line("no words, only a box", rectangle((40, 180, 420, 215))),
)


def document(**changes: object) -> Document:
    [page] = page_of(*LINES, width=450, height=300).pages
    return Document((replace(page, **{"dpi": DPI, "source": "scan", **changes}),))  # type: ignore[arg-type]


def picture(mode: str = "RGB", size: tuple[int, int] = (450, 300)) -> Image.Image:
    """Uneven, so that a turned or mirrored copy is another picture."""
    ramp = np.add.outer(np.arange(size[1]) // 3, np.arange(size[0]) // 4).astype(np.uint8)
    image = Image.fromarray(np.dstack([ramp, ramp // 2, 255 - ramp]))
    ImageDraw.Draw(image).text((20, 20), "upper left", fill="white", font_size=40)
    return image.convert(mode)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)  # type: ignore[arg-type]
    return out.getvalue()


def pdf_of(document: Document, original: bytes | None = None, **options: object) -> bytes:
    if original is None:
        options.setdefault("pages", [picture(size=(p.width, p.height)) for p in document])
    rendered = render(document, "pdf", Options(original=original, **options))  # type: ignore[arg-type]
    assert isinstance(rendered, bytes)
    return rendered


def drawn(data: bytes, scale: float, page: int = 0) -> np.ndarray:
    # A hair less: PDFium rounds sizes up.
    shown = (
        pypdfium2.PdfDocument(data)[page].render(scale=scale * (1 - 1e-6)).to_pil().convert("RGB")
    )
    return np.asarray(shown).astype(int)


def words_by_pdfium(data: bytes, dpi: float, page: int = 0) -> list[tuple[str, Sequence[float]]]:
    """Words and their boxes in pixels of the displayed page without rotation."""
    shown = pypdfium2.PdfDocument(data)[page]
    text_page = shown.get_textpage()
    found = []
    for match in re.finditer(r"\S+", text := text_page.get_text_range()):
        assert len(text) == text_page.count_chars()
        boxes = [text_page.get_charbox(index, loose=True) for index in range(*match.span())]
        left, bottom, right, top = (
            pick(values)
            for pick, values in zip((min, min, max, max), zip(*boxes, strict=True), strict=True)
        )
        height = shown.get_height()
        box = [side * dpi / 72 for side in (left, height - top, right, height - bottom)]
        found.append((match[0], box))
    return found


def words_by_poppler(data: bytes, dpi: float, tmp_path: Path) -> list[tuple[str, Sequence[float]]]:
    path = tmp_path / "page.pdf"
    path.write_bytes(data)
    output = subprocess.run(["pdftotext", "-bbox", path, "-"], capture_output=True, check=True)
    pattern = re.compile(r'xMin="(.*?)" yMin="(.*?)" xMax="(.*?)" yMax="(.*?)">(.*?)</word>')
    return [
        (html.unescape(word), [float(side) * dpi / 72 for side in sides])
        for *sides, word in pattern.findall(output.stdout.decode("utf-8"))
    ]


def expected(document: Document) -> list[tuple[str, Box | None]]:
    """Words whose boxes are known."""
    return [(word.text, word.box) for line in document.pages[0].lines for word in line.words]


def assert_there(
    found: list[tuple[str, Sequence[float]]], wanted: list[tuple[str, Box | None]]
) -> None:
    remaining = list(found)
    for text, box in wanted:
        near = [item for item in remaining if item[0] == text]
        assert near, (text, found)
        distances = [np.abs(np.subtract(sides, box)).max() for _, sides in near]
        assert min(distances) < 1, (text, box, near)
        remaining.remove(near[int(np.argmin(distances))])


@pytest.mark.parametrize(
    "case", [case for case in EDGE_CASES if case not in ("right to left", "control characters")]
)
def test_another_library_reads_our_text(case: str) -> None:
    found = EDGE_CASES[case]
    text = pypdf.PdfReader(io.BytesIO(pdf_of(found))).pages[0].extract_text()
    assert text.split() == found.text.split()


def test_lines_stay_lines() -> None:
    text = pypdf.PdfReader(io.BytesIO(pdf_of(document()))).pages[0].extract_text()
    assert text.strip() == document().text


def test_words_stand_where_they_were_read(tmp_path: Path) -> None:
    data = pdf_of(document())
    assert_there(words_by_pdfium(data, DPI), expected(document()))


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="needs poppler-utils")
@pytest.mark.parametrize("case", ["level", "full", "thousand lines"])
def test_poppler_finds_the_same_boxes(case: str, tmp_path: Path) -> None:
    found = {"level": document(), "full": full(), "thousand lines": thousand_lines()}[case]
    [page] = found.pages
    dpi = page.dpi or max(page.width, page.height) * 72 / 842
    seen = words_by_poppler(pdf_of(found), dpi, tmp_path)
    assert_there(seen, expected(found))
    assert len(seen) == len(found.text.split())


def test_right_to_left_text_is_found_as_it_is_read() -> None:
    found = page_of(line_of(HEBREW, BOX))
    text = pypdfium2.PdfDocument(pdf_of(found))[0].get_textpage().get_text_range()
    assert text == HEBREW
    numbers = page_of(Line("מספר12", rectangle(BOX), words=(Word("מספר12", BOX),)))
    [operator] = re.findall(rb"<(.*?)> Tj", b"".join(layer(pdf_of(numbers))))
    assert operator.decode() == "000100020003000400050006"  # 1, 2, then the letters backwards


def layer(data: bytes) -> list[bytes]:
    """The text layer's content of each page."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        return [page.Contents[0].read_bytes() for page in pdf.pages]


def test_words_along_a_slope_or_turned_are_found() -> None:
    tilted = Line(
        "a line that climbs",
        ((30, 200), (400, 100), (405, 125), (35, 225)),
        ((33, 220), (403, 120)),
    )
    boxes = [(200, 100 + 50 * index, 225, 145 + 50 * index) for index in range(3)]
    words = tuple(Word(text, box) for text, box in zip(("up", "and", "down"), boxes, strict=True))
    outline = union(boxes)
    assert outline
    down = Line("up and down", rectangle(outline), ((205, 100), (205, 245)), words=words)
    up = Line("down and up", rectangle(outline), ((220, 245), (220, 100)), words=words[::-1])
    over = (Word("right", (300, 20, 350, 40)), Word("left", (240, 20, 290, 40)))
    overhead = Line("right left", rectangle((240, 20, 350, 40)), ((350, 25), (240, 25)), words=over)
    for line in (tilted, down, up, overhead):
        data = pdf_of(page_of(line, width=450, height=300))
        found = words_by_pdfium(data, 450 * 72 / 842)
        assert {text for text, _ in found} == set(line.text.split())
        assert_there(found, [(word.text, word.box) for word in line.words])
        assert (
            pypdf.PdfReader(io.BytesIO(data)).pages[0].extract_text().split() == line.text.split()
        )


def test_the_text_is_not_seen() -> None:
    original = encoded(picture(), "PNG", dpi=(DPI, DPI))
    with_text, without = pdf_of(document(), original), pdf_of(document(regions=()), original)
    assert (drawn(with_text, 2) == drawn(without, 2)).all()
    assert b"3 Tr" in layer(with_text)[0]


def packed(data: bytes, page: int = 0) -> bytes:
    """The compressed data of the page's one picture."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        [image] = pdf.pages[page].resources.XObject.values()
        return image.read_raw_bytes()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_is_kept_byte_for_byte(mode: str) -> None:
    original = encoded(picture(mode), "JPEG", quality=70)
    assert packed(pdf_of(document(), original)) == original


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "RGBA", "LA", "I;16"])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_lossless_pictures_keep_their_pixels(mode: str, format: str) -> None:
    image = picture()
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
        if "A" in mode:
            image.putalpha(128)
    original = encoded(image, format)
    shown = drawn(pdf_of(document(), original), DPI / 72)
    wanted = np.asarray(load_image(original)).astype(int)
    assert shown.shape == wanted.shape
    assert np.abs(shown - wanted).max() <= 1


def test_a_png_is_not_packed_anew() -> None:
    original = encoded(picture(), "PNG")
    assert packed(pdf_of(document(), original)) in original


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_that_say_how_to_hold_them(orientation: int) -> None:
    upright = picture()
    turns = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = upright
    for turn in turns.get(orientation, []):
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    original = encoded(stored, "JPEG", quality=95, exif=exif)
    data = pdf_of(document(), original)
    assert np.abs(drawn(data, DPI / 72) - np.asarray(upright)).mean() < 3
    assert_there(turned_words(data), expected(document()))


def turned_words(data: bytes) -> list[tuple[str, Sequence[float]]]:
    """As displayed: PDFium gives boxes of the page before it is turned."""
    page = pypdfium2.PdfDocument(data)[0]
    rotation = page.get_rotation()
    page.set_rotation(0)
    left, bottom, right, top = page.get_cropbox()
    width, height = (right - left) * DPI / 72, (top - bottom) * DPI / 72
    scale = DPI / 72
    found = []
    text_page = page.get_textpage()
    for match in re.finditer(r"\S+", text_page.get_text_range()):
        boxes = [text_page.get_charbox(index, loose=True) for index in range(*match.span())]
        x0, y0 = (min(box[side] for box in boxes) for side in (0, 1))
        x1, y1 = (max(box[side] for box in boxes) for side in (2, 3))
        x0, x1 = (x0 - left) * scale, (x1 - left) * scale
        y0, y1 = height - (y1 - bottom) * scale, height - (y0 - bottom) * scale
        shown = {
            0: [x0, y0, x1, y1],
            90: [height - y1, x0, height - y0, x1],
            180: [width - x1, height - y1, width - x0, height - y0],
            270: [y0, width - x1, y1, width - x0],
        }
        found.append((match[0], shown[rotation]))
    return found


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_pdf_keeps_all_it_has(rotation: int) -> None:
    original = a_pdf(3, rotation)
    page = replace(document().pages[0], number=2)
    data = pdf_of(Document((page,)), original)
    with pikepdf.open(io.BytesIO(data)) as ours, pikepdf.open(io.BytesIO(original)) as theirs:
        assert len(ours.pages) == 1
        kept, before = ours.pages[0], theirs.pages[1]
        assert [part.read_bytes() for part in kept.Contents][1:] == [before.Contents.read_bytes()]
        assert ours.docinfo["/Title"] == "kept"
    assert packed(data) == packed(original, page=1)
    assert (drawn(data, 2) == drawn(original, 2, page=1)).all()
    assert_there(turned_words(data), expected(document()))


def a_pdf(pages: int, rotation: int = 0, **saving: object) -> bytes:
    """Pages of a picture, with a crop box away from the origin, turned."""
    with pikepdf.new() as pdf:
        for number in range(pages):
            image = picture().point(lambda value, number=number: value // (number + 1))
            jpeg = pdf.make_stream(encoded(image, "JPEG"), Type=pikepdf.Name.XObject,
                Subtype=pikepdf.Name.Image, Width=450, Height=300, BitsPerComponent=8,
                ColorSpace=pikepdf.Name.DeviceRGB, Filter=pikepdf.Name.DCTDecode)  # fmt: skip
            sides = (450, 300) if rotation % 180 == 0 else (300, 450)
            width, height = (side * 72 / DPI for side in sides)
            content = f"2 0 0 2 7 7 cm {width} 0 0 {height} 10 20 cm /Im Do".encode()
            page = pikepdf.Dictionary(
                Type=pikepdf.Name.Page,
                MediaBox=[0, 0, 900, 900],
                CropBox=[30, 50, 30 + width, 50 + height],
                Rotate=rotation,
                Resources=pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im=jpeg)),
                Contents=pdf.make_stream(content),
            )
            pdf.pages.append(pikepdf.Page(page))
        pdf.docinfo["/Title"] = "kept"
        out = io.BytesIO()
        pdf.save(out, **saving)
        return out.getvalue()


def test_an_encrypted_pdf_needs_its_password() -> None:
    locked = a_pdf(1, encryption=pikepdf.Encryption(user="open", owner="own"))
    for password in (None, "wrong"):
        with pytest.raises(ImageError, match="encrypted"):
            pdf_of(document(), locked, password=password)
    data = pdf_of(document(), locked, password="open")
    with pytest.raises(pypdfium2.PdfiumError):
        pypdfium2.PdfDocument(data)
    page = pypdfium2.PdfDocument(data, password="open")[0]
    assert "searchable" in page.get_textpage().get_text_range()


def test_originals_that_do_not_fit() -> None:
    beyond = Document((replace(document().pages[0], number=4),))
    with pytest.raises(ImageError, match="3 pages, not 4"):
        pdf_of(beyond, a_pdf(3))
    with pytest.raises(ImageError, match="damaged"):
        pdf_of(document(), b"%PDF-1.7 and nothing")
    with pytest.raises(UsageError, match="450×300"):
        pdf_of(document(), encoded(picture(size=(300, 300)), "PNG"))
    with pytest.raises(UsageError, match="no file"):
        render(document(), "pdf", Options(original="missing.png"))
    with pytest.raises(UsageError, match="no picture of page 1"):
        render(document(), "pdf")


def test_the_file_is_found_where_the_document_says(tmp_path: Path) -> None:
    path = tmp_path / "scan.jpg"
    path.write_bytes(encoded(picture(), "JPEG"))
    data = render(replace(document(), source=str(path)), "pdf")
    assert isinstance(data, bytes)
    assert packed(data) == path.read_bytes()


def test_each_page_of_a_tiff(tmp_path: Path) -> None:
    frames = [picture(mode) for mode in ("L", "RGB", "1")]
    original = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    [page] = document().pages
    chosen = Document(
        tuple(replace(page, number=number, dpi=dpi) for number, dpi in ((1, 100), (3, 300)))
    )
    data = pdf_of(chosen, original)
    sizes = [tuple(page.mediabox[2:]) for page in pypdf.PdfReader(io.BytesIO(data)).pages]
    assert sizes == [pytest.approx((324, 216)), pytest.approx((108, 72))]
    for index, number in enumerate((0, 2)):
        shown = drawn(data, (100, 300)[index] / 72, page=index)
        assert np.abs(shown - np.asarray(frames[number].convert("RGB"))).max() <= 1


def test_a_page_of_unknown_resolution_is_as_long_as_a4() -> None:
    size = pypdf.PdfReader(io.BytesIO(pdf_of(document(dpi=None)))).pages[0].mediabox[2:]
    assert size == pytest.approx((842, 842 * 300 / 450))


def test_the_same_document_gives_the_same_file() -> None:
    assert pdf_of(document(language="en")) == pdf_of(document(language="en"))
    with pikepdf.open(io.BytesIO(pdf_of(document(language="en")))) as pdf:
        assert pdf.Root.Lang == "en"


def test_a_page_without_text_has_no_layer() -> None:
    with pikepdf.open(io.BytesIO(pdf_of(document(regions=(Region(),))))) as pdf:
        assert "/Font" not in pdf.pages[0].resources


def test_the_font_is_embedded_and_without_notdef() -> None:
    with pikepdf.open(io.BytesIO(pdf_of(document()))) as pdf:
        [font] = pdf.pages[0].resources.Font.values()
        [descendant] = font.DescendantFonts
        glyphs = descendant.CIDToGIDMap.read_bytes()
        characters = len(set(document().text) - {"\n"})
        assert glyphs == b"\0\0" + b"\0\1" * characters
        assert descendant.FontDescriptor.FontFile2.read_bytes()[:4] == b"\0\1\0\0"


def test_documents_without_pages() -> None:
    with pikepdf.open(io.BytesIO(pdf_of(Document()))) as pdf:
        assert len(pdf.pages) == 0


def test_pages_out_of_order_are_refused() -> None:
    [page] = document().pages
    with pytest.raises(UsageError, match="order"):
        pdf_of(Document((replace(page, number=2), page)), a_pdf(2))
    assert isinstance(page, Page)
