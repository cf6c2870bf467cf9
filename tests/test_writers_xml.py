"""hOCR, ALTO and PAGE: valid under their schemas, and read back as they were."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from documents import BOX, CONTROL, EDGE_CASES, HEBREW, HOSTILE, full, line_of, page_of
from lxml import etree

from trocr.document import Document, Line, Page, Region, Word, rectangle
from trocr.errors import DataError
from trocr.readers import read_document
from trocr.writers import render, write

SCHEMAS = Path(__file__).parent / "data" / "schemas"
ALTO = etree.XMLSchema(etree.parse(SCHEMAS / "alto-4-3.xsd"))
PAGE = etree.XMLSchema(etree.parse(SCHEMAS / "page-2019-07-15.xsd"))
XHTML = "{http://www.w3.org/1999/xhtml}"


def written(document: Document, format: str) -> bytes:
    rendered = render(document, format)
    assert isinstance(rendered, str)
    return rendered.encode("utf-8")


def read_back(document: Document, format: str) -> Document:
    return read_document(written(document, format))


@pytest.mark.parametrize("case", [*EDGE_CASES, "two pages", "no page"])
def test_alto_is_valid(case: str) -> None:
    more = {"two pages": Document((*full().pages, *full().pages)), "no page": Document()}
    ALTO.assertValid(etree.fromstring(written((EDGE_CASES | more)[case], "alto")))


@pytest.mark.parametrize("case", EDGE_CASES)
def test_page_is_valid(case: str) -> None:
    PAGE.assertValid(etree.fromstring(written(EDGE_CASES[case], "page")))


def test_the_schemas_are_strict() -> None:
    for schema, name, format in ((ALTO, b"HPOS=", "alto"), (PAGE, b"points=", "page")):
        broken = written(full(), format).replace(name, b"wrong=")
        assert not schema.validate(etree.fromstring(broken))


def test_page_keeps_everything() -> None:
    assert read_back(full(), "page") == full()


def test_alto_keeps_everything_but_the_confidence_of_lines() -> None:
    [page] = full().pages
    regions = tuple(
        replace(region, lines=tuple(replace(line, confidence=None) for line in region.lines))
        for region in page.regions
    )
    expected = Document((replace(page, regions=regions),), "scan.png", "printed")
    assert read_back(full(), "alto") == expected


def test_alto_keeps_fractions_of_pixels_and_several_pages() -> None:
    polygon = ((10.25, 20.5), (90.0, 21.75), (90.0, 40.0), (10.0, 39.125))
    line = Line("ab", polygon, ((10.5, 35.5), (90.0, 36.0)), None, (Word("ab", (10, 20, 90, 40)),))
    page = Page(100, 60, (Region((line,), polygon),), source="a name with spaces.png")
    document = Document((page, replace(page, number=2, orientation=90)), "scan.pdf")
    assert read_back(document, "alto") == document


def test_page_rounds_into_the_picture() -> None:
    [region] = read_back(EDGE_CASES["outside the picture"], "page").pages[0].regions
    assert region.lines[0].box == (0, 0, 600, 30)
    polygon = ((10.4, 20.6), (90.0, 21.0), (90.0, 40.0))
    [line] = read_back(page_of(Line("", polygon)), "page").pages[0].lines
    assert line.polygon == ((10, 21), (90, 21), (90, 40))


@pytest.mark.parametrize("format", ["alto", "page"])
@pytest.mark.parametrize("text", [HEBREW, HOSTILE, "two  spaces", "𝔘 👩‍🚀 e\u0301 नमस्ते"])
def test_text_comes_back_as_it_was(format: str, text: str) -> None:
    [line] = read_back(page_of(line_of(text, BOX)), format).pages[0].lines
    assert line.text == text
    [line] = read_back(page_of(Line(text, rectangle(BOX))), format).pages[0].lines
    assert line.text == text


@pytest.mark.parametrize("format", ["alto", "page", "hocr"])
def test_characters_that_xml_forbids_are_marked(format: str) -> None:
    data = written(page_of(Line(CONTROL, rectangle(BOX))), format).decode("utf-8")
    assert "a\ufffdb\ufffd[31m\ufffd\ufffdc" in data


@pytest.mark.parametrize("kind", ["text", "heading", "table", "marginalia", "stamp", "other"])
@pytest.mark.parametrize("format", ["alto", "page"])
def test_kinds_of_regions_come_back(format: str, kind: str) -> None:
    region = Region((line_of("a b", BOX),), rectangle((0, 0, 600, 300)), kind)
    document = Document((Page(600, 800, (region,)),))
    assert [found.kind for found in read_back(document, format).pages[0].regions] == [kind]
    schema = {"alto": ALTO, "page": PAGE}[format]
    schema.assertValid(etree.fromstring(written(document, format)))


@pytest.mark.parametrize("orientation", [0, 90, 180, 270])
@pytest.mark.parametrize("skew", [0.0, -3.25, 3.25])
@pytest.mark.parametrize("format", ["alto", "page"])
def test_turns_and_skew_come_back(format: str, orientation: int, skew: float) -> None:
    page = Page(600, 800, orientation=orientation, skew=skew)
    [found] = read_back(Document((page,)), format).pages
    assert (found.orientation, found.skew) == (orientation, skew)


def test_right_to_left_lines_say_so() -> None:
    document = page_of(line_of(HEBREW, BOX))
    assert b'BASEDIRECTION="rtl"' in written(document, "alto")
    assert b'readingDirection="right-to-left"' in written(document, "page")


FOREIGN_PAGE = b"""<?xml version="1.0"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15"><Metadata/>
<Page imageFilename="a.jpg" imageWidth="100" imageHeight="50">
 <ReadingOrder><OrderedGroup id="g"><RegionRefIndexed index="1" regionRef="r1"/>
  <RegionRefIndexed index="0" regionRef="r2"/></OrderedGroup></ReadingOrder>
 <TextRegion id="r1"><Coords points="0,0 50,0 50,9"/><TextEquiv><Unicode>one
two</Unicode></TextEquiv></TextRegion>
 <TextRegion id="r2" custom="readingOrder {index:0;} structure {type:stamp;}">
  <Coords points="0,10 50,10 50,19"/>
  <TextLine id="l1"><Coords points="0,10 50,10 50,19"/><Baseline points="0,18 25,18 50,17"/>
   <TextEquiv index="1"><Unicode>worse</Unicode></TextEquiv>
   <TextEquiv index="0" conf="0.5"><Unicode>better</Unicode></TextEquiv></TextLine>
 </TextRegion>
 <ImageRegion id="r3"><Coords points="0,0 1,0 1,1"/></ImageRegion>
</Page></PcGts>"""

FOREIGN_ALTO = b"""<alto xmlns="http://www.loc.gov/standards/alto/ns-v3#">
<Description><MeasurementUnit>mm10</MeasurementUnit></Description>
<Layout><Page ID="p" PHYSICAL_IMG_NR="7" WIDTH="2540" HEIGHT="1270"><PrintSpace>
 <ComposedBlock ID="c" TYPE="table"><TextBlock ID="b">
  <TextLine HPOS="254" VPOS="508" WIDTH="508" HEIGHT="127" BASELINE="600">
   <String CONTENT="per" HPOS="254" VPOS="508" WIDTH="127" HEIGHT="127"/><SP/>
   <String CONTENT="haps" WC="0.5"/><HYP CONTENT="-"/>
  </TextLine></TextBlock></ComposedBlock>
</PrintSpace></Page></Layout></alto>"""


def test_page_of_others() -> None:
    document = read_document(FOREIGN_PAGE)
    [page] = document.pages
    assert (page.width, page.height, page.source, document.source) == (100, 50, "a.jpg", "a.jpg")
    assert [(region.kind, region.text) for region in page.regions] == [
        ("stamp", "better"),
        ("text", "one\ntwo"),
    ]
    line = page.regions[0].lines[0]
    assert (line.confidence, line.words) == (0.5, ())
    assert line.baseline == ((0, 18), (25, 18), (50, 17))


def test_alto_of_others() -> None:
    [page] = read_document(FOREIGN_ALTO, dpi=100).pages
    [region] = page.regions
    [line] = region.lines
    assert (page.width, page.height, page.number, region.kind) == (1000, 500, 7, "table")
    assert (line.text, line.confidence, line.box) == ("per haps-", None, (100, 200, 300, 250))
    assert [(word.box, word.confidence) for word in line.words] == [
        ((100, 200, 150, 250), None),
        (None, 0.5),
    ]
    with pytest.raises(DataError, match="mm10"):
        read_document(FOREIGN_ALTO)


def test_files_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    for format in ("json", "page"):
        [path] = write(full(), tmp_path / f"any.{format}", format)
        assert read_document(path) == full()


BOMB = b'<!DOCTYPE a [<!ENTITY a0 "' + b"x" * 1000 + b'">'
for level in range(1, 9):
    BOMB += f'<!ENTITY a{level} "{f"&a{level - 1};" * 20}">'.encode()
BOMB += b"]><PcGts>&a8;</PcGts>"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no xml",
        b"<PcGts/>",
        b"<html/>",
        b"{",
        b"[1]",
        b'{"version": 7}',
        b"\xff\xfe<",
        FOREIGN_PAGE.replace(b"0,10", b"a,b"),
        FOREIGN_PAGE.replace(b'"0,0 50', b'"0 50'),
        FOREIGN_PAGE[:400],
        FOREIGN_ALTO.replace(b"mm10", b"ell"),
        FOREIGN_ALTO.replace(b'"508"', b'"nan"'),
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><PcGts>&e;</PcGts>',
        BOMB,
    ],
)
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        read_document(data, dpi=100)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.xml"):
        read_document(tmp_path / "missing.xml")


@pytest.mark.parametrize("case", EDGE_CASES)
def test_hocr_is_xhtml_and_html_alike(case: str) -> None:
    document = EDGE_CASES[case]
    data = written(document, "hocr")
    strict = etree.fromstring(data)
    lenient = etree.HTML(data.decode("utf-8").partition("?>")[2])
    lines = [
        [" ".join("".join(word.itertext()) for word in line)]
        for line in strict.iter(f"{XHTML}span")
        if line.get("class") in ("ocr_line", "ocr_header")
    ]
    loosely = [
        [" ".join("".join(word.itertext()) for word in line)]
        for line in lenient.iter("span")
        if line.get("class") in ("ocr_line", "ocr_header")
    ]
    assert lines == loosely
    if case != "control characters":
        assert [line for [line] in lines] == [line.text for line in document.pages[0].lines]


def test_hocr_says_where_and_how_sure() -> None:
    root = etree.fromstring(written(full(), "hocr"))
    titles = {one.get("id"): one.get("title") for one in root.iter() if one.get("title")}
    assert titles["page_1"] == 'image "scan.png"; bbox 0 0 600 800; ppageno 2; scan_res 200 200'
    assert titles["line_1_2"] == "bbox 20 20 300 45; textangle 270; x_wconf 87.5"
    assert titles["word_1_4"] == "bbox 240 22 300 45; x_wconf 62.5"
    flat = page_of(line_of("level", (10, 20, 90, 40)))
    assert b"baseline 0 -5" in written(flat, "hocr")
    assert re.search(rb"x_bboxes 20 20 30 40; x_conf 75", written(full(), "hocr"))


def test_hocr_in_a_second_program(tmp_path: Path) -> None:
    hocrtransform = pytest.importorskip("ocrmypdf.hocrtransform")
    [path] = write(full(), tmp_path / "page.hocr")
    page = hocrtransform.HocrParser(path).parse()
    words = [word for word in page.words if word.text]
    assert [word.text for word in words] == full().text.split()
    boxes = [
        tuple(map(round, (w.bbox.left, w.bbox.top, w.bbox.right, w.bbox.bottom))) for w in words
    ]
    assert boxes == [word.box for line in full().pages[0].lines for word in line.words]
