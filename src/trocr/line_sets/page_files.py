"""PAGE, ALTO and our JSON with the pictures of their pages: each line is cut out."""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple
from xml.etree.ElementTree import ParseError, iterparse

import numpy as np
from PIL import Image

from ..document import Line, Page, Polygon
from ..errors import DataError, ImageError
from ..image import load_image, open_picture, pillow_warnings_off, reason
from ..labelled_lines import SkippedLine
from ..layout.crops import MIN_SIDE, cut
from ..readers import read_document
from .found import Candidate, Format, Reading
from .sources import Source

ASPECT_TOLERANCE = 0.01  # of width over height, between a page's file and its picture
MIN_ON_PAGE = 0.5  # of a line's box, or its picture does not show its text

_IGNORED = {"mets", "trpDocMetadata"}  # what exports hold beside their pages
_KINDS = {"PcGts": "PAGE", "alto": "ALTO"}
_OURS = re.compile(rb'[\xef\xbb\xbf\s]*\{\s*"version"\s*:')
_ENDING = re.compile(r"(\.page|\.alto)?\.\w+$", re.IGNORECASE)
_ALTO_DPI = 1200  # any will do: geometry is scaled to the picture; this keeps the most digits
_GREY = {"1", "L", "LA", "I", "I;16", "F"}


_Used = dict[tuple[str, int], str]
"""What was read with a picture, which is a file and the index of a frame."""


class _Picture(NamedTuple):
    file: str
    frame: int
    image: Image.Image
    is_grey: bool


class _Sheet(NamedTuple):
    """A page and the file that describes it."""

    name: str
    page: Page
    one_of_several: bool

    @property
    def where(self) -> str:
        return f"{self.name} page {self.page.number}" if self.one_of_several else self.name

    @property
    def title(self) -> str:
        stem = _ENDING.sub("", self.name)
        return f"{stem}-{self.page.number}" if self.one_of_several else stem


def read(source: Source) -> Reading:
    """The lines of all pages; a picture is used once, so that a page in two formats is too."""
    found: list[Candidate | SkippedLine] = []
    kinds: dict[str, list[str]] = {"PAGE": [], "ALTO": [], "JSON": []}
    for name in source.ending(".xml", ".json"):
        try:
            kind = _kind(source.read(name))
        except DataError as error:
            found.append(SkippedLine(name, error.message))
            continue
        if kind:
            kinds[kind].append(name)
    used: _Used = {}
    for name in (name for names in kinds.values() for name in names):
        found += _document_lines(source, name, used)
    with_pictures = {picture for picture, _ in used}
    if source.only is None:
        found += [
            SkippedLine(picture, "It has no label in a PAGE, ALTO or JSON file.")
            for picture in source.pictures
            if picture not in with_pictures
        ]
    return Reading(" and ".join(kind for kind, names in kinds.items() if names), found)


FORMAT = Format("PAGE, ALTO or our JSON with the pictures of the pages", read)


def _kind(data: bytes) -> str:
    """``""`` for what is no page and need not be."""
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        if not _OURS.match(data):
            raise DataError("It is no document that trocr wrote.")
        return "JSON"
    try:
        _, root = next(iter(iterparse(io.BytesIO(data), ["start"])))
    except (ParseError, LookupError, ValueError) as error:
        raise DataError(f"It is no XML: {reason(error)}.") from error
    tag = root.tag.rpartition("}")[2]
    if tag not in _KINDS and tag not in _IGNORED:
        raise DataError(f"It is neither PAGE nor ALTO: <{tag}>.")
    return _KINDS.get(tag, "")


def _document_lines(source: Source, name: str, used: _Used) -> Iterator[Candidate | SkippedLine]:
    try:
        document = read_document(source.read(name), dpi=_ALTO_DPI)
    except (DataError, RecursionError) as error:
        yield SkippedLine(name, f"It cannot be read: {reason(error)}.")
        return
    for page in document:
        sheet = _Sheet(name, page, len(document) > 1)
        try:
            yield from _page_lines(source, sheet, used)
        except (DataError, ImageError) as error:
            yield SkippedLine(sheet.where, error.message)
        except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
            # The types in our JSON are not checked before.
            yield SkippedLine(sheet.where, f"It holds a wrong value: {reason(error)}.")


def _page_lines(source: Source, sheet: _Sheet, used: _Used) -> Iterator[Candidate | SkippedLine]:
    """The lines of a page.

    Raises:
        DataError: it has no text, or its picture is missing, was used, or is another one.
        ImageError: its picture cannot be loaded.
    """
    if not any(line.text.strip() for line in sheet.page.lines):
        raise DataError("None of its lines has a text.")
    picture = _loaded(source, _picture_of(source, sheet), sheet.page.number)
    other = used.setdefault((picture.file, picture.frame), sheet.where)
    if other != sheet.where:
        raise DataError(f"Its picture {picture.file} was read with {other} already.")
    page = _scaled(sheet.page, picture).turned(sheet.page.orientation)
    image = picture.image.rotate(-sheet.page.orientation, expand=True)
    for number, line in enumerate(page.lines, start=1):
        where = f"{sheet.where} line {number}"
        if trouble := _trouble(line, image):
            yield SkippedLine(where, trouble)
            continue
        png = _png(cut(image, line).image, picture.is_grey)
        yield Candidate(where, f"{sheet.title}/{number:04}.png", png, line.text, sheet.title)


def _picture_of(source: Source, sheet: _Sheet) -> str:
    """The file that the page names; where there is none, one that is called as its own file."""
    stated = sheet.page.source.replace("\\", "/")
    folder, own = posixpath.split(_ENDING.sub("", sheet.name))
    last = posixpath.basename(stated)
    near = [stated, posixpath.join(folder, stated), posixpath.join(folder, last)]
    found = [name for path in near if last and (name := source.at(path)) is not None]
    found = found[:1] or source.called(last)
    if not found:
        stems = {name: posixpath.split(posixpath.splitext(name)[0]) for name in source.pictures}
        found = [name for name, (_, stem) in stems.items() if stem == own]
        found = [name for name in found if stems[name][0] == folder] or found
    if len(found) > 1:
        raise DataError(f"Its picture could be {' or '.join(found[:3])}.")
    if not found:
        raise DataError(
            f"Its picture {last or '(it names none)'} is in no folder of the set, "
            f"nor is a picture called {own}."
        )
    return found[0]


def _loaded(source: Source, file: str, number: int) -> _Picture:
    """The picture, or of one file with several the one of this number."""
    where = f"Its picture {file}"
    with pillow_warnings_off():
        image = open_picture(io.BytesIO(source.read(file)), where)
        try:
            frame = number - 1 if 1 < number <= getattr(image, "n_frames", 1) else 0
            image.seek(frame)
        except Exception as error:
            raise ImageError(f"{where} is damaged: {reason(error)}.") from error
    return _Picture(file, frame, load_image(image, name=where), image.mode in _GREY)


def _scaled(page: Page, picture: _Picture) -> Page:
    """The page in pixels of its picture, which may have been made smaller or larger.

    Raises:
        DataError: their shapes differ by more than `ASPECT_TOLERANCE`.
    """
    width, height = picture.image.size
    if not page.width or not page.height or (page.width, page.height) == (width, height):
        return page
    across, down = width / page.width, height / page.height
    if abs(across / down - 1) > ASPECT_TOLERANCE:
        raise DataError(
            f"Its picture {picture.file} has {width}×{height} pixels, which is another shape "
            f"than {page.width}×{page.height}."
        )

    def moved(points: Polygon) -> Polygon:
        return tuple((x * across, y * down) for x, y in points)

    def moved_line(line: Line) -> Line:
        return replace(line, polygon=moved(line.polygon), baseline=moved(line.baseline))

    regions = tuple(
        replace(region, lines=tuple(map(moved_line, region.lines))) for region in page.regions
    )
    return replace(page, width=width, height=height, regions=regions)


def _trouble(line: Line, image: Image.Image) -> str:
    """Why a line cannot be cut from its page, a sentence; ``""`` where it can."""
    if not line.text.strip():
        return "It has no text."
    if len(line.polygon) < 3:
        return "It has no outline."
    corners = np.asarray(line.polygon, np.float64)
    if not np.isfinite(corners).all():
        return "Its outline is not made of numbers."
    size = np.ptp(corners, axis=0)
    seen = np.ptp(corners.clip((0, 0), image.size), axis=0)
    if seen.prod() < MIN_ON_PAGE * size.prod():
        return "Its outline is not on the picture."
    return (
        f"Its outline is less than {MIN_SIDE} pixels high or wide." if seen.min() < MIN_SIDE else ""
    )


def _png(image: Image.Image, is_grey: bool) -> bytes:
    stream = io.BytesIO()
    # The fastest level: sets are read again and again.
    (image.convert("L") if is_grey else image).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
