"""``read_pages``: any input to pages, one at a time."""

from __future__ import annotations

import contextlib
import io
import math
import os
import stat
import sys
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from ..errors import ImageError, UsageError
from ..image import COPY_AGAIN, load_image, open_file, reason
from .download import download
from .inputs import STDIN, Input, find_inputs, is_url
from .page import Limits, Options, PageFailure, PageImage
from .pdf import read_pdf
from .picture import read_picture, stated_dpi
from .selection import parse_selection
from .spool import spool

_HEAD = 1024  # bytes in which a PDF says that it is one


def read_pages(
    source: Any,
    *,
    name: str | None = None,
    pages: str | None = None,
    skip: Collection[int] = (),
    password: str | None = None,
    dpi: float | None = None,
    frames: bool = False,
    embedded_text: bool = False,
    allow_private: bool = False,
    limits: Limits | None = None,
) -> Iterator[PageImage | PageFailure]:
    """Every page of `source`, as ``RGB`` pictures, in order, one in memory at a time.

    Args:
        source: what ``find_inputs`` takes: paths, folders, patterns, URLs, ``-``, bytes, binary
            files, PIL images, arrays, or a list of them. PDF and all that Pillow opens; every page
            of a TIFF, of other files the first picture.
        name: what messages and pages call a single source, if not by its own name.
        pages: of each file, such as ``"1-3,7,-1"``; negative numbers count from the end.
        skip: numbers of pages to leave out, of each file: those that were read before.
        password: for PDFs that are encrypted.
        dpi: at which PDF pages are drawn. By default a scanned page at its picture's own
            resolution, others at 300, large ones at down to 200.
        frames: every picture of an animation is a page.
        embedded_text: also give the text that PDF pages hold.
        allow_private: URLs may lead to private, loopback and link-local addresses.
        limits: what one input may cost.

    Yields:
        A `PageImage`, or a `PageFailure` for a page or a file that cannot be read.

    Raises:
        UsageError: at once, if `pages` or `dpi` cannot be used.
    """
    if dpi is not None and not 0 < dpi < math.inf:
        raise UsageError(f"{dpi} is no resolution.", "Give dots an inch, such as 300.")
    options = Options(
        pages=parse_selection(pages),
        skip=skip,
        password=password,
        dpi=dpi,
        frames=frames,
        embedded_text=embedded_text,
        allow_private=allow_private,
        limits=limits or Limits(),
    )
    return _read_all(source, name, options)


def _read_all(source: Any, name: str | None, options: Options) -> Iterator[PageImage | PageFailure]:
    for found in find_inputs(source):
        if isinstance(found, PageFailure):
            yield found
            continue
        if name is not None:
            found = replace(found, name=name)
        try:
            yield from _read_input(found, options)
        except ImageError as error:
            yield PageFailure(found.name, None, error)
        except OSError as error:
            broken = ImageError(f"{found.name} cannot be read: {reason(error)}.", COPY_AGAIN)
            yield PageFailure(found.name, None, broken)


def _read_input(found: Input, options: Options) -> Iterator[PageImage | PageFailure]:
    item = found.item
    if not isinstance(item, (str, os.PathLike, bytes, bytearray, memoryview)) and not hasattr(
        item, "read"
    ):
        image = load_image(item, max_pixels=options.limits.pixels)
        yield PageImage(image, found.name, 1, stated_dpi(item))
        return
    with _opened(found, options) as stream:
        head = stream.read(_HEAD)
        stream.seek(0)
        read = read_pdf if b"%PDF-" in head else read_picture
        yield from read(stream, found.name, options)


@contextlib.contextmanager
def _opened(found: Input, options: Options) -> Iterator[IO[bytes]]:
    """A stream that can seek, at its start."""
    item, name, limits = found.item, found.name, options.limits
    if isinstance(item, (bytes, bytearray, memoryview)):
        yield io.BytesIO(item)
    elif is_url(item):
        with download(item, limits, allow_private=options.allow_private) as stream:
            yield stream
    elif item == STDIN:
        with _seekable(sys.stdin.buffer, name, limits) as stream:
            yield stream
    elif isinstance(item, (str, os.PathLike)):
        with open_file(Path(item), name) as file, _seekable(file, name, limits) as stream:
            yield stream
    else:
        with _seekable(item, name, limits) as stream:
            yield stream


@contextlib.contextmanager
def _seekable(file: Any, name: str, limits: Limits) -> Iterator[IO[bytes]]:
    """The file itself, or a copy of what is left in it if it is a pipe or half read."""
    if isinstance(file, io.TextIOBase):
        raise ImageError(f"{name} is not binary.", 'Open the file with mode "rb".')
    if isinstance(file, io.BufferedIOBase) and _is_regular(file) and file.tell() == 0:
        yield file  # type: ignore[misc]
    else:
        with spool(file.read, name, limits.stream_bytes) as stream:
            yield stream


def _is_regular(file: io.BufferedIOBase) -> bool:
    if isinstance(file, io.BytesIO):
        return True
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, ValueError):
        return False
