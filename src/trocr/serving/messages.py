"""What goes to the workers, and what comes back: plain picklable values, no pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..document import Line, Page
from ..line_result import LineResult


@dataclass(frozen=True)
class LineOptions:
    """How lines are decoded, as for ``Recognizer.read_lines``; lines of equal ones share batches.

    Attributes:
        model: its name in ``ServeSettings.models``.
    """

    model: str
    num_beams: int | None = None
    n_best: int = 1
    allow: str | None = None
    regex: str | None = None
    lexicon: tuple[str, ...] | None = None
    words: bool = True


@dataclass(frozen=True)
class Upload:
    """A file, or a URL that leads to one.

    Attributes:
        name: for messages and documents, without folders.
        content: of the file; empty where there is a URL.
    """

    name: str
    content: bytes = field(default=b"", repr=False)
    url: str | None = None


@dataclass(frozen=True)
class ReadDocument:
    """Read all pages of a file.

    Attributes:
        pages, password, dpi, keep_text: as for ``trocr.read``.
        format: a name in ``formats.MEDIA_TYPES``: answer with an `Output` at the end; None: with
            the pages as they are read, and no output.
        line_events: also answer with every line as soon as it is read.
        folder: where the pictures of the pages and the file itself are kept for `Export`; None:
            nowhere.
    """

    upload: Upload
    options: LineOptions
    pages: str | None = None
    password: str | None = field(default=None, repr=False)
    dpi: float | None = None
    keep_text: bool = False
    format: str | None = None
    line_events: bool = False
    folder: Path | None = None


@dataclass(frozen=True)
class ReadLines:
    """Read pictures of one line each."""

    uploads: tuple[Upload, ...]
    options: LineOptions


@dataclass(frozen=True)
class Export:
    """Write a document that was read into a folder, corrected, in some format.

    Attributes:
        folder: as of the `ReadDocument`.
        format: a name in ``formats.MEDIA_TYPES``, or ``formats.TRAINING_SET``: the corrected lines
            as a zipped labelled set.
        corrections: the text of a ``corrections.tsv``, lines called as by ``folders.line_name``;
            empty: none.
        password: of an encrypted PDF, for the format ``"pdf"``.
    """

    folder: Path
    format: str
    corrections: str = ""
    password: str | None = field(default=None, repr=False)


Task = ReadDocument | ReadLines | Export


@dataclass(frozen=True)
class PageStarted:
    """The lines of a page were found: so many, on a picture of this size in pixels.

    It comes again, and its lines too, for a page that turns out to be upside down.
    """

    number: int
    width: int
    height: int
    lines: int


@dataclass(frozen=True)
class LineRead:
    """A line, in the coordinates of its page; ``index`` counts as they were found, from 0."""

    page: int
    index: int
    line: Line


@dataclass(frozen=True)
class PageRead:
    """A page, its lines in reading order."""

    page: Page


@dataclass(frozen=True)
class PageFailed:
    """A page that cannot be read; ``number`` is None where it is the whole file."""

    number: int | None
    message: str
    hint: str


@dataclass(frozen=True)
class LineResults:
    """Of `ReadLines`, in its order; a `Failed` for a picture that cannot be read."""

    results: tuple[LineResult | Failed, ...]


@dataclass(frozen=True)
class Output:
    """A file. ``failed_pages``: what is not in it."""

    content: bytes = field(repr=False)
    media_type: str
    file_name: str
    failed_pages: tuple[PageFailed, ...] = ()


@dataclass(frozen=True)
class Failed:
    """The end of a task that failed.

    Attributes:
        kind: the name of a class in ``trocr.errors``; ``"Deadline"``; ``"Cancelled"``;
            ``"WorkerLost"``: the process died; ``"Internal"``: a mistake of ours.
    """

    kind: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Done:
    """The end of a task that was carried out. ``timings``: seconds by stage, for metrics."""

    timings: Mapping[str, float] = field(default_factory=dict)


Event = PageStarted | LineRead | PageRead | PageFailed | LineResults | Output | Failed | Done


class Busy(Exception):  # noqa: N818
    """Too much is waiting already; ``retry_after``: seconds until it may be worth another try."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"busy for {retry_after:g} seconds")
        self.retry_after = retry_after


class Stopping(Exception):  # noqa: N818
    """No task is accepted any more."""
