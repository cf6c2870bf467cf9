"""The pages of a picture file: all of a TIFF, the first of others unless every frame is asked."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from typing import IO, Any

from PIL import Image

from ..errors import ImageError
from ..image import COPY_AGAIN, load_image, open_picture, pillow_warnings_off, reason
from .page import Options, PageFailure, PageImage

_PLAUSIBLE_DPI = (20, 5000)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# TIFF tag 254: bit 0 marks a smaller copy of another page, bit 2 a mask.
_SUBFILE_TYPE, _NO_PAGE = 254, 0b101


def read_picture(
    stream: IO[bytes], name: str, options: Options
) -> Iterator[PageImage | PageFailure]:
    """The pages of a picture file, decoded one at a time.

    Raises:
        ImageError: no picture, damaged between two pages, or more pages than allowed.
    """
    with pillow_warnings_off():
        image = _open(stream, name)
    paged = options.frames or image.format == "TIFF"
    selected, limit = bool(options.pages.parts), options.limits.pages
    count = _count(image, name, limit) if paged and selected else 1
    runs, absent = options.pages.choose(count)
    for part in absent:
        yield PageFailure(name, None, no_such_page(name, part, count))
    if not runs:
        return
    for number, _ in enumerate(_turned_to(image, name) if paged else [0], start=1):
        if number > limit:
            raise _too_many_pages(name, limit)
        chosen = not selected or any(number in run for run in runs)
        if chosen and number not in options.skip:
            where = f"{name}, page {number}" if paged else name
            yield _load(image, name, number, where, options)
        if selected and number >= runs[-1].stop - 1:
            return


def no_such_page(name: str, part: str, count: int) -> ImageError:
    """The error for a part of a page range that no page belongs to."""
    pages = "1 page" if count == 1 else f"{count:,} pages"
    return ImageError(f"{name} has no page {part}: it has {pages}.", "Choose others.")


def stated_dpi(image: Any) -> float | None:
    """The resolution in the header of a PIL image, if there is one that can be meant."""
    try:
        dpi = float(image.info["dpi"][0])
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
        return None
    low, high = _PLAUSIBLE_DPI
    return dpi if math.isfinite(dpi) and low <= dpi <= high else None


def _open(stream: IO[bytes], name: str) -> Image.Image:
    head = stream.read(12)
    stream.seek(0)
    try:
        return open_picture(stream, name)
    except ImageError:
        if head[4:8] != b"ftyp" or head[8:] not in _HEIF_BRANDS:
            raise
    stream.seek(0)
    return _open_heif(stream, name)


def _open_heif(stream: IO[bytes], name: str) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise ImageError(
            f"{name} is a HEIC picture, which Pillow cannot read by itself.",
            "Install pillow-heif, or convert it to JPEG.",
        ) from None
    try:
        image: Image.Image = HeifImageFile(stream)
    except Exception as error:
        raise ImageError(f"{name} is damaged: {reason(error)}.", COPY_AGAIN) from error
    return image


def _turned_to(image: Image.Image, name: str) -> Iterator[int]:
    """Turn to one page after the other, without decoding any.

    Raises:
        ImageError: the file is damaged there; what follows cannot be found.
    """
    for frame in itertools.count():
        try:
            with pillow_warnings_off():
                image.seek(frame)
                page = not frame or not _number(image, _SUBFILE_TYPE) & _NO_PAGE
        except EOFError:
            return
        except Exception as error:
            raise ImageError(
                f"{name} is damaged after picture {frame}: {reason(error)}.", COPY_AGAIN
            ) from error
        if page:
            yield frame


def _number(image: Image.Image, tag: int) -> int:
    value = getattr(image, "tag_v2", {}).get(tag, 0)
    return value if isinstance(value, int) else 0


def _count(image: Image.Image, name: str, limit: int) -> int:
    """How many pages can be turned to; damage behind them is reported when it is reached."""
    count = 0
    with contextlib.suppress(ImageError):
        for _ in itertools.islice(_turned_to(image, name), limit + 1):
            count += 1
    if count > limit:
        raise _too_many_pages(name, limit)
    return count


def _too_many_pages(name: str, limit: int) -> ImageError:
    return ImageError(
        f"{name} has more than {limit:,} pages, the limit.", "Split it, or raise the limit."
    )


def _load(
    image: Image.Image, name: str, number: int, where: str, options: Options
) -> PageImage | PageFailure:
    dpi = stated_dpi(image)
    try:
        picture = load_image(image, name=where, max_pixels=options.limits.pixels)
    except ImageError as error:
        return PageFailure(name, number, error)
    return PageImage(picture, name, number, dpi)
