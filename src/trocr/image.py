"""Any picture to an upright 8-bit RGB image, or one clear `ImageError`."""

from __future__ import annotations

import codecs
import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import ImageError

# Pillow refuses more by itself: a higher limit also needs PIL.Image.MAX_IMAGE_PIXELS raised.
MAX_PIXELS = 178_956_970

# White of 8-, 12- and 16-bit pictures.
_WHITE_POINTS = (255, 4095, 65535)
_FORMATS = "Convert it to PNG, JPEG, TIFF, WebP, BMP or GIF."
COPY_AGAIN = "Copy or download the file again."


def load_image(
    source: Any, *, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Load a picture as people see it: orientation tag applied, transparency over white.

    Args:
        source: a path (``str`` or ``os.PathLike``), the bytes of a file, a binary file object, a
            PIL image, or an array or tensor (H, W), (H, W, C) or (C, H, W) with C = 1, 3 or 4;
            where that is ambiguous, tensors are taken as channels first, arrays as channels last.
            Of an animation or a multi-page file the first picture counts.
        name: what messages call it, if not its path or type.
        max_pixels: the largest width × height that is decoded.

    Returns:
        A new image of mode ``RGB``.

    Values wider than 8 bits, and floats above 1, are scaled so that the smallest of 255, 4095 and
    65535 that holds the brightest one becomes white: 12-bit and 8-bit data in wide containers do
    not come out black. Floats up to 1 are fractions of white.

    Raises:
        ImageError: missing, empty, truncated, larger than `max_pixels`, or no picture at all.
    """
    where = name or _describe(source)
    with pillow_warnings_off(), _opened(source, where) as image:
        width, height = image.size
        if width * height == 0:
            raise ImageError(f"{where} has no pixels: {width}×{height}.", "Check the crop box.")
        if width * height > max_pixels:
            raise _too_large(where, f"{width}×{height} pixels", max_pixels)
        try:
            image.load()
        except Exception as error:
            raise ImageError(f"{where} is damaged: {reason(error)}.", COPY_AGAIN) from error
        try:
            return _to_rgb(_upright(image), where)
        except (ValueError, OSError) as error:
            if isinstance(error, ImageError):
                raise
            raise ImageError(
                f"{where} has pixels of a kind that cannot be converted: {image.mode}.", _FORMATS
            ) from error


def _describe(source: Any) -> str:
    """How messages name the picture."""
    if isinstance(source, (str, os.PathLike)):
        return str(os.fspath(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"The picture in {len(source)} bytes"
    if isinstance(source, Image.Image):
        return f"The image {getattr(source, 'filename', '') or source.mode}"
    if hasattr(source, "shape"):
        return f"The array of shape {tuple(source.shape)}"
    return f"The picture in {getattr(source, 'name', None) or type(source).__name__}"


@contextmanager
def _opened(source: Any, where: str) -> Iterator[Image.Image]:
    """The source as a PIL image, possibly not decoded yet."""
    if isinstance(source, Image.Image):
        yield source
    elif isinstance(source, (str, os.PathLike)):
        with open_file(Path(source), where) as stream:
            yield open_picture(stream, where)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield open_picture(io.BytesIO(source), where)
    elif hasattr(source, "read"):
        data = source.read()
        if not isinstance(data, bytes):
            raise ImageError(f"{where} is not binary.", 'Open the file with mode "rb".')
        yield open_picture(io.BytesIO(data), where)
    elif hasattr(source, "shape"):
        is_tensor = hasattr(source, "detach")
        array = source.detach().cpu().numpy() if is_tensor else np.asarray(source)
        yield _from_array(array, where, channels_first=is_tensor)
    else:
        raise ImageError(
            f"A {type(source).__name__} is no picture.",
            "Give a path, bytes, a binary file, a PIL image or an array.",
        )


def open_file(path: Path, where: str) -> IO[bytes]:
    """Open a file for reading; `where` is its name in messages.

    Raises:
        ImageError: missing, a directory, or not to be opened.
    """
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        hint = "Download it first." if "://" in where else "Check the path."
        raise ImageError(f"{where} does not exist.", hint) from error
    except IsADirectoryError as error:
        raise ImageError(f"{where} is a directory.", "Give the files inside it.") from error
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{where} cannot be opened: {reason(error)}.", "Check the path."
        ) from error


def open_picture(stream: IO[bytes], where: str) -> Image.Image:
    """A picture of which only the header has been read; `where` is its name in messages.

    Raises:
        ImageError: empty, damaged, too large for Pillow, or no picture at all.
    """
    head = stream.read(512)
    if not head:
        raise ImageError(f"{where} is empty (0 bytes).", COPY_AGAIN)
    stream.seek(0)
    try:
        return Image.open(stream)
    except Image.DecompressionBombError as error:
        raise _too_large(where, reason(error), MAX_PIXELS) from error
    except UnidentifiedImageError as error:
        if head.startswith(b"%PDF"):
            raise ImageError(f"{where} is a PDF, not a picture.", _FORMATS) from error
        kind = "is text, not a picture" if _is_text(head) else "is not a picture that can be read"
        raise ImageError(f"{where} {kind}.", _FORMATS) from error
    except Exception as error:
        raise ImageError(f"{where} is damaged: {reason(error)}.", COPY_AGAIN) from error


def _too_large(where: str, size: str, limit: int) -> ImageError:
    return ImageError(
        f"{where} is too large to decode ({size}; the limit is {limit:,} pixels).",
        "Scale it down or cut it into lines first.",
    )


def reason(error: BaseException) -> str:
    """What a message says of an error from below."""
    return (str(error) or type(error).__name__).rstrip(".")


def _is_text(head: bytes) -> bool:
    try:
        # The head may end inside a character, which this decoder waits for.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\r\n\f\ufeff" for character in text)


def _upright(image: Image.Image) -> Image.Image:
    """Turn by the EXIF orientation; a damaged EXIF block is no reason to lose the picture."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _to_rgb(image: Image.Image, where: str) -> Image.Image:
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        image = Image.fromarray(_to_uint8(np.asarray(image), where))
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        # Premultiplied alpha converts only to its own plain mode.
        image = image.convert({"La": "LA"}.get(image.mode, "RGBA")).convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    rgb = image.convert("RGB")
    if rgb is image or image.info:
        rgb = rgb.copy()
        rgb.info.clear()
    return rgb


def _from_array(array: npt.NDArray[Any], where: str, channels_first: bool) -> Image.Image:
    first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
    last = array.ndim == 3 and array.shape[2] in (1, 3, 4)
    if array.size == 0:
        raise ImageError(f"{where} is empty.", "Check the crop box.")
    if not (array.ndim == 2 or first or last):
        raise ImageError(
            f"{where} is not one picture.",
            "Give (height, width), (height, width, channels) or (channels, height, width) with "
            "1, 3 or 4 channels; a batch as a list.",
        )
    if first and (channels_first or not last):
        array = np.moveaxis(array, 0, 2)
    pixels = _to_uint8(array, where)
    return Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)


def _to_uint8(array: npt.NDArray[Any], where: str) -> npt.NDArray[np.uint8]:
    """Scale numbers of any type to 0–255 as `load_image` describes."""
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind not in "buif":
        raise ImageError(f"{where} holds {array.dtype}, not numbers.", "Give uint8 pixels.")
    values = array.astype(np.float64)
    low, peak = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(peak)):
        raise ImageError(f"{where} holds NaN or infinite values.", "Check what made the array.")
    if low < 0:
        raise ImageError(
            f"{where} holds negative values (down to {low:.3g}), as normalised pixels do.",
            "Give pixels as 0 to 255, or as fractions of white.",
        )
    # Fractions may overshoot a little after interpolation.
    if array.dtype.kind in "bf" and peak <= 1.5:
        values, white = values.clip(max=1), 1.0
    else:
        white = float(next((point for point in _WHITE_POINTS if peak <= point), peak))
    return np.rint(values * (255.0 / white)).astype(np.uint8)


class _WarningsGate:
    """How many threads are inside Pillow, and the filters to restore when the last one leaves.

    `warnings.catch_warnings` in every thread would restore each other's filters out of order.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.saved = warnings.catch_warnings()


_gate = _WarningsGate()


@contextmanager
def pillow_warnings_off() -> Iterator[None]:
    """Silence Pillow's warnings about size and metadata; what matters is raised as an error."""
    with _gate.lock:
        _gate.users += 1
        if _gate.users == 1:
            _gate.saved = warnings.catch_warnings()
            _gate.saved.__enter__()
            warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        yield
    finally:
        with _gate.lock:
            _gate.users -= 1
            if _gate.users == 0:
                _gate.saved.__exit__(None, None, None)
