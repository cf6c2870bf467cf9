"""hOCR 1.2: XHTML with boxes and confidences in ``title`` attributes."""

from __future__ import annotations

from itertools import count
from xml.etree import ElementTree

from .. import __version__
from ..document import Box, Document, Line, Page, Region, Word
from .characters import for_xml
from .markup import Element, child, number, to_text
from .options import Options
from .tsv import words_of

_DOCTYPE = (
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"'
    ' "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
)
_CAPABILITIES = "ocr_page ocr_carea ocr_par ocr_line ocr_header ocrx_word ocrx_cinfo"


def render(document: Document, options: Options) -> str:
    """One file of all pages. Lines of headings are ``ocr_header``, others ``ocr_line``."""
    root = ElementTree.Element("html", {"xmlns": "http://www.w3.org/1999/xhtml"})
    head = child(root, "head")
    child(head, "title", text=document.source or "trocr")
    child(head, "meta", {"http-equiv": "Content-Type", "content": "text/html; charset=utf-8"})
    child(head, "meta", {"name": "ocr-system", "content": f"trocr {__version__}"})
    child(head, "meta", {"name": "ocr-capabilities", "content": _CAPABILITIES})
    child(head, "meta", {"name": "ocr-number-of-pages", "content": str(len(document))})
    body = child(root, "body")
    for index, page in enumerate(document, start=1):
        _page(body, page, index)
    ElementTree.indent(root, " ")
    _without_spaces(root)
    return to_text(root, _DOCTYPE)


def _without_spaces(root: Element) -> None:
    """White space parts words, so there is none among the characters of one."""
    for word in root.iter("span"):
        if word.get("class") == "ocrx_word" and len(word):
            word.text = None
            for character in word:
                character.tail = None


def _page(body: Element, page: Page, index: int) -> None:
    whole = (0, 0, page.width, page.height)
    title = [f'image "{_quoted(page.source)}"', _bbox(whole), f"ppageno {page.number - 1}"]
    if page.dpi:
        title.append(f"scan_res {number(page.dpi)} {number(page.dpi)}")
    attributes = {"class": "ocr_page", "id": f"page_{index}", "title": "; ".join(title)}
    if page.language:
        attributes |= {"lang": page.language, "xml:lang": page.language}
    element = child(body, "div", attributes)
    lines, words = count(1), count(1)
    for number_, region in enumerate(page.regions, start=1):
        name = f"{index}_{number_}"
        title_ = _bbox(region.box or whole)
        area = child(element, "div", {"class": "ocr_carea", "id": f"block_{name}", "title": title_})
        par = child(area, "p", {"class": "ocr_par", "id": f"par_{name}", "title": title_})
        for line in region.lines:
            box = line.box or region.box or whole
            _line(par, page, region, line, box, f"{index}_{next(lines)}", words)


def _line(
    par: Element, page: Page, region: Region, line: Line, box: Box, name: str, words: count[int]
) -> None:
    kind = "ocr_header" if region.kind == "heading" else "ocr_line"
    title = "; ".join([_bbox(box), *_direction(page, line, box), *_confidence(line.confidence)])
    span = child(par, "span", {"class": kind, "id": f"line_{name}", "title": title})
    for word in words_of(line):
        _word(span, word, word.box or box, f"{name.split('_')[0]}_{next(words)}")


def _word(line: Element, word: Word, box: Box, name: str) -> None:
    title = "; ".join([_bbox(box), *_confidence(word.confidence)])
    attributes = {"class": "ocrx_word", "id": f"word_{name}", "title": title}
    span = child(line, "span", attributes)
    if not word.characters:
        span.text = for_xml(word.text)
    for character in word.characters:
        numbers = " ".join(map(str, character.box or box))
        title = "; ".join([f"x_bboxes {numbers}", *_confidence(character.confidence, "x_conf")])
        child(span, "span", {"class": "ocrx_cinfo", "title": title}, character.text)


def _direction(page: Page, line: Line, box: Box) -> list[str]:
    """The baseline relative to the lower left corner, or how far the text is turned."""
    if page.orientation:
        return [f"textangle {page.orientation}"]
    if len(line.baseline) < 2:
        return []
    (x0, y0), (x1, y1) = line.baseline[0], line.baseline[-1]
    slope = (y1 - y0) / (x1 - x0) if x1 != x0 else 0.0
    offset = y0 + slope * (box[0] - x0) - box[3]
    return [f"baseline {number(slope)} {number(offset)}"]


def _bbox(box: Box) -> str:
    return "bbox " + " ".join(map(str, box))


def _confidence(confidence: float | None, name: str = "x_wconf") -> list[str]:
    return [] if confidence is None else [f"{name} {number(100 * confidence)}"]


def _quoted(name: str) -> str:
    """A file name between double quotes."""
    return name.replace("\\", "\\\\").replace('"', '\\"')
