"""Any number of pictures through a recognizer in bounded memory; a bad one costs only itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from .errors import ImageError
from .image import load_image
from .line_result import LineResult
from .recognizer import Recognizer

WINDOW_BATCHES = 8  # lines of this many batches are read together, so that widths can be sorted
WINDOW_PIXELS = 50_000_000


@dataclass(frozen=True)
class Reading:
    """What became of one picture: exactly one of ``result`` and ``error`` is set."""

    name: str
    result: LineResult | None
    error: ImageError | None


def read_stream(
    reader: Recognizer,
    pictures: Iterable[tuple[str, Any]],
    *,
    batch_size: int = 32,
    **options: Any,
) -> Iterator[Reading]:
    """Read named pictures, order kept.

    Args:
        pictures: (name, anything that ``load_image`` takes); the name is only handed back.
        batch_size: lines in one pass of the model.
        options: further arguments of ``Recognizer.read_lines``.

    Yields:
        One `Reading` a picture, as soon as its window has been read.
    """
    window: list[tuple[str, Image.Image | ImageError]] = []
    pixels = 0
    for name, source in pictures:
        try:
            picture: Image.Image | ImageError = load_image(source)
        except ImageError as error:
            picture = error
        window.append((name, picture))
        pixels += picture.width * picture.height if isinstance(picture, Image.Image) else 0
        if len(window) >= WINDOW_BATCHES * batch_size or pixels >= WINDOW_PIXELS:
            yield from _read_window(reader, window, batch_size=batch_size, **options)
            window, pixels = [], 0
    yield from _read_window(reader, window, batch_size=batch_size, **options)


def _read_window(
    reader: Recognizer, window: list[tuple[str, Image.Image | ImageError]], **options: Any
) -> Iterator[Reading]:
    loaded = [picture for _, picture in window if isinstance(picture, Image.Image)]
    results = iter(reader.read_lines(loaded, **options) if loaded else [])
    for name, picture in window:
        if isinstance(picture, ImageError):
            yield Reading(name, None, picture)
        else:
            yield Reading(name, next(results), None)
