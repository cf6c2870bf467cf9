"""Lines are cut from the pictures of PAGE, ALTO and our JSON."""

import io

import pytest
from line_set_files import (
    packed,
    put,
    reasons,
)
from PIL import Image, ImageDraw

from trocr import writers
from trocr.document import Document, Line, Page, Region, rectangle
from trocr.labelled_lines import LabelledLine
from trocr.line_sets import read_line_set

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
