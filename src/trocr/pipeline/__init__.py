"""Whole pages in, a `Document` out: layout, recognition, and where everything stands."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..bundled import DEFAULT_MODEL
from ..document import Document, Page
from ..errors import UsageError
from ..pages import Input, PageFailure, find_inputs, read_pages
from .assembly import line_of
from .boxes import Boxes
from .settings import Settings
from .steps import PageSteps, Unread, page_steps
from .streaming import read_stream

if TYPE_CHECKING:
    from ..recognizer import Recognizer

__all__ = [
    "Boxes",
    "PageSteps",
    "Settings",
    "Unread",
    "line_of",
    "page_steps",
    "read",
    "read_each",
    "read_stream",
]


def read(
    source: Any,
    *,
    model: str | Path | Recognizer = DEFAULT_MODEL,
    device: str = "auto",
    pages: str | None = None,
    password: str | None = None,
    dpi: float | None = None,
    detector: str = "auto",
    boxes: str | Path | None = None,
    keep_text: bool = False,
    words: bool = True,
    batch_size: int = 32,
    num_beams: int | None = None,
    allow: str | None = None,
    regex: str | None = None,
    lexicon: Sequence[str] | None = None,
    allow_private: bool = False,
) -> Document:
    """Read all pages of one source.

    Args:
        source: a path, a URL, ``-`` for standard input, bytes, a binary file, a PIL image or an
            array; a picture, a TIFF or a PDF. A picture of a single line is one line.
        model: a bundled name, a checkpoint folder or a hub id; or what ``trocr.load`` gave.
        device: as for ``trocr.load``.
        pages: which of them, such as ``"1-3,7,-1"``.
        password: for a PDF that is encrypted.
        dpi: at which PDF pages are drawn; by default each as it needs.
        detector: ``"auto"``, ``"rapidocr"`` or ``"plain"``, see ``trocr.layout.find_lines``.
        boxes: a file or folder that says where the lines are, instead of a detector; see `Boxes`.
        keep_text: pages of a PDF that hold text are not read; their text is taken.
        words: find boxes and confidences of words and characters.
        batch_size, num_beams, allow, regex, lexicon: as for ``Recognizer.read_lines``.
        allow_private: URLs may lead to private addresses.

    Returns:
        The pages in order. One that cannot be read is missing, with a warning that says why.

    Raises:
        ImageError: no page can be read.
        UsageError: several sources, or arguments that cannot work.
        CheckpointError, DataError: a model, or boxes, that cannot be read.
    """
    name = _single(source).name
    reader = _loaded(model, device)
    outcome = read_each(
        source,
        model=reader,
        pages=pages,
        password=password,
        dpi=dpi,
        detector=detector,
        boxes=boxes,
        keep_text=keep_text,
        words=words,
        batch_size=batch_size,
        num_beams=num_beams,
        allow=allow,
        regex=regex,
        lexicon=lexicon,
        allow_private=allow_private,
    )
    found_pages: list[Page] = []
    failures: list[PageFailure] = []
    for each in outcome:
        if isinstance(each, Page):
            found_pages.append(each)
        else:
            failures.append(each)
    if failures and not found_pages:
        raise failures[0].error
    for failure in failures:
        warnings.warn(str(failure.error), stacklevel=2)
    return Document(tuple(found_pages), name, reader.name)


def read_each(
    source: Any,
    *,
    model: str | Path | Recognizer = DEFAULT_MODEL,
    device: str = "auto",
    pages: str | None = None,
    password: str | None = None,
    dpi: float | None = None,
    boxes: str | Path | None = None,
    keep_text: bool = False,
    allow_private: bool = False,
    **settings: Any,
) -> Iterator[Page | PageFailure]:
    """Read page after page of any number of sources, in memory that does not grow.

    Args:
        source: what ``read_pages`` takes: all that `read` does, folders, patterns, and lists.
        model, device, pages, password, dpi, boxes, keep_text, allow_private, settings: as of
            `read`.

    Yields:
        In order a `Page`, or the `PageFailure` of a page or file that cannot be read; the others
        go on.

    Raises:
        UsageError, CheckpointError, DataError: at once, as `read` does.
    """
    given = Boxes(boxes) if boxes is not None else None
    chosen = Settings(boxes=given, keep_text=keep_text, **settings)
    pictures = read_pages(
        source,
        pages=pages,
        password=password,
        dpi=dpi,
        embedded_text=keep_text,
        allow_private=allow_private,
    )
    reader = _loaded(model, device)
    return (page for _, page in read_stream(reader, ((None, each) for each in pictures), chosen))


def _loaded(model: str | Path | Recognizer, device: str) -> Recognizer:
    from ..recognizer import load  # imports torch, which `Settings` and pages do without

    return load(model, device) if isinstance(model, (str, Path)) else model


def _single(source: Any) -> Input:
    """The one input that `source` stands for."""
    found = list(itertools.islice(find_inputs(source), 2))
    if not found:
        raise UsageError("There is nothing to read.", "Name a file.")
    if isinstance(found[0], PageFailure):
        raise found[0].error
    if len(found) > 1:
        raise UsageError(
            f"{source} is more than one source, and a document has one.",
            "Use read_each, which gives page after page of all of them.",
        )
    return found[0]
