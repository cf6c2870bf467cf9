"""What reading pages gives, and how much it may take."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from PIL import Image

from ..document import Line
from ..errors import ImageError
from ..image import MAX_PIXELS
from .selection import Selection


@dataclass(frozen=True, eq=False)
class PageImage:
    """One page as a picture.

    Attributes:
        image: mode ``RGB``, turned as the file says (EXIF, PDF rotation).
        source: the path, the URL, or what stands for them (``stdin``).
        number: which page of its file, from 1.
        dpi: pixels an inch; None where the file does not say.
        embedded_text: the lines that a PDF page holds as text, in its own order, boxes in pixels
            of `image`, confidence None. None if not asked for or not a PDF.
    """

    image: Image.Image
    source: str
    number: int = 1
    dpi: float | None = None
    embedded_text: tuple[Line, ...] | None = None


@dataclass(frozen=True)
class PageFailure:
    """A page that cannot be read; ``number`` is None where it is the whole file."""

    source: str
    number: int | None
    error: ImageError


@dataclass(frozen=True)
class Limits:
    """What one input may cost.

    Attributes:
        pixels: of one page. Pages of a PDF are drawn smaller to keep to it, down to 72 DPI.
        pages: of one file.
        stream_bytes: of what comes from a URL, standard input or a pipe.
        seconds: for a download, from its first connection to its last byte.
        redirects: of one URL.
    """

    pixels: int = MAX_PIXELS
    pages: int = 10_000
    stream_bytes: int = 512 << 20
    seconds: float = 60.0
    redirects: int = 5


@dataclass(frozen=True)
class Options:
    """The arguments of ``read_pages``, checked."""

    pages: Selection
    skip: Collection[int] = ()
    password: str | None = None
    dpi: float | None = None
    frames: bool = False
    embedded_text: bool = False
    allow_private: bool = False
    limits: Limits = field(default_factory=Limits)
