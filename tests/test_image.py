"""Every kind of picture loads as people see it; everything else is one clear ImageError."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trocr.errors import ImageError
from trocr.image import load_image

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def picture() -> Image.Image:
    """A 6×5 RGB picture with two distinct corners."""
    pixels = np.full((5, 6, 3), 200, np.uint8)
    pixels[0, 0] = RED
    pixels[4, 5] = (1, 2, 3)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png(width: int, height: int) -> bytes:
    """A PNG file that promises a size and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def same(a: Image.Image, b: Image.Image) -> bool:
    return a.mode == b.mode == "RGB" and np.array_equal(np.asarray(a), np.asarray(b))


def test_every_source_gives_the_same_pixels(tmp_path):
    import torch

    expected, path = picture(), tmp_path / "é line.png"
    data = encoded(expected)
    path.write_bytes(data)
    array = np.asarray(expected)
    with path.open("rb") as stream:
        sources = [path, str(path), data, bytearray(data), memoryview(data), stream, expected]
        sources += [array, array[::1], array.transpose(2, 0, 1), array.astype(np.int64)]
        sources += [array / 255, (array / 255).astype(np.float32), array.astype(np.float32)]
        sources += [torch.tensor(array), torch.tensor(array).permute(2, 0, 1).requires_grad_(False)]
        sources += [
            torch.tensor(array / 255).requires_grad_(),
            np.dstack([array, array[..., :1] | 255]),
        ]
        for source in sources:
            assert same(load_image(source), expected), type(source)


def test_the_result_is_a_new_image():
    source = picture()
    load_image(source).putpixel((0, 0), BLUE)
    assert source.getpixel((0, 0)) == RED


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"])
def test_modes(mode):
    grey = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8))
    if mode == "I;16":
        source = Image.fromarray(np.array([[0, 65535], [65535, 0]], np.uint16))
    elif mode in ("CMYK", "YCbCr", "HSV"):
        source = grey.convert("RGB").convert(mode)
    else:
        source = grey.convert(mode)
    assert source.mode == mode
    assert same(load_image(source), grey.convert("RGB"))


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "1"),
        ("PNG", "I;16"),
        ("PNG", "LA"),
        ("TIFF", "I;16"),
        ("TIFF", "F"),
        ("TIFF", "CMYK"),
        ("TIFF", "1"),
        ("GIF", "P"),
        ("BMP", "RGB"),
        ("JPEG", "CMYK"),
        ("WEBP", "RGBA"),
        ("PPM", "L"),
    ],
)
def test_file_formats(kind, mode):
    grey = Image.new("L", (16, 8), 255)
    grey.paste(0, (0, 0, 8, 8))
    if mode == "I;16":
        source = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    elif mode == "CMYK":
        source = grey.convert("RGB").convert(mode)
    else:
        source = grey.convert(mode)
    loaded = np.asarray(load_image(encoded(source, kind)), int)
    assert np.abs(loaded - np.asarray(grey.convert("RGB"), int)).max() <= 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGB"])
def test_transparency_lies_over_white(mode):
    """Black ink, transparent paper whose hidden colour is black too."""
    if mode in ("RGBA", "LA", "PA"):
        rgba = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
        rgba.putpixel((0, 0), (0, 0, 0, 255))
        source = rgba.convert(mode)
    else:
        source = Image.new(mode, (2, 1), 0 if mode != "RGB" else (0, 0, 0))
        source.putpixel((0, 0), 1 if mode != "RGB" else (1, 1, 1))
        if mode == "P":
            source.putpalette([9, 9, 9, 0, 0, 0])
        source.info["transparency"] = 0 if mode != "RGB" else (0, 0, 0)
    loaded = load_image(source)
    assert loaded.getpixel((1, 0)) == (255, 255, 255)
    assert max(loaded.getpixel((0, 0))) <= 1
    half = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert load_image(half).getpixel((0, 0)) == (127, 127, 127)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_orientation_tag(orientation, kind):
    upright = Image.new("RGB", (32, 16), "white")
    upright.paste(RED, (0, 0, 8, 8))
    inverse = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(inverse[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, kind, exif=exif)
    loaded = load_image(data)
    assert loaded.size == (32, 16)
    assert loaded.getpixel((3, 3))[1] < 80 < 200 < loaded.getpixel((28, 12))[1]
    assert same(load_image(loaded), loaded)
    assert same(load_image(Image.open(io.BytesIO(data))), loaded)


def test_damaged_exif_does_not_lose_the_picture():
    data = encoded(picture(), "PNG", exif=b"Exif\x00\x00MM\x00*garbage")
    assert same(load_image(data), picture())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 65535]], np.uint16), [0, 255]),
        (np.array([[257, 32896]], np.uint16), [1, 128]),
        (np.array([[0, 4095]], np.uint16), [0, 255]),
        (np.array([[7, 200]], np.uint16), [7, 200]),
        (np.array([[7, 200]], np.int32), [7, 200]),
        (np.array([[False, True]]), [0, 255]),
        (np.array([[0.0, 1.0]], np.float16), [0, 255]),
        (np.array([[0.5, 1.02]], np.float32), [128, 255]),
        (np.array([[0.0, 2.0, 255.0]]), [0, 2, 255]),
        (np.array([[0.0, 0.0]]), [0, 0]),
    ],
)
def test_scaling_of_wide_numbers(values, expected):
    assert np.asarray(load_image(values))[0, :, 0].tolist() == expected


def test_first_picture_of_an_animation():
    frames = [Image.new("RGB", (5, 4), colour) for colour in (RED, GREEN)]
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert load_image(data).getpixel((2, 2)) == RED


def test_one_pixel():
    for source in (encoded(Image.new("RGB", (1, 1), RED)), np.array([[RED]], np.uint8)):
        assert load_image(source).getpixel((0, 0)) == RED


def jpeg() -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    return encoded(Image.fromarray(noise), "JPEG")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.png", b"", r"empty\.png is empty"),
        ("text.png", b"file\ttext\na.png\tTotal\n" * 60, r"text\.png is text, not a picture"),
        ("accents.png", "é".encode() * 400, "is text, not a picture"),
        ("page.png", b"%PDF-1.7\n\xff\xfe", "is a PDF"),
        ("noise.png", bytes(range(256)) * 4, "not a picture that can be read"),
        ("half.png", encoded(Image.effect_noise((64, 64), 50))[:2000], r"half\.png is damaged"),
        ("half.jpg", jpeg()[:2000], "is damaged"),
        ("head.jpg", jpeg()[:30], "half|damaged|not a picture"),
        ("half.tif", encoded(Image.effect_noise((64, 64), 50), "TIFF")[:-900], "is damaged"),
        ("nothing.png", png(8, 8), "is damaged"),
        ("huge.png", png(30_000, 30_000), "too large"),
        ("large.png", png(13_000, 12_000)[:60], "is damaged"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    for source in (path, str(path), content, io.BytesIO(content)):
        pattern = message if source in (path, str(path)) else message.split(r"\.png ")[-1]
        with pytest.raises(ImageError, match=pattern) as raised:
            load_image(source)
        assert raised.value.hint
        assert raised.value.__class__ is ImageError


def test_missing_and_directory(tmp_path):
    with pytest.raises(ImageError, match=r"nowhere\.png does not exist"):
        load_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match=r"https://.*does not exist.*Download"):
        load_image("https://example.org/a.png")
    with pytest.raises(ImageError, match="is a directory"):
        load_image(tmp_path)
    with pytest.raises(ImageError, match="cannot be opened"):
        load_image("a\0b")


def test_pixel_limit_is_checked_before_decoding():
    # These files have no pixel data: decoding would report damage, not size.
    with pytest.raises(ImageError, match=r"too large .*5×5"):
        load_image(png(5, 5), max_pixels=24)
    with pytest.raises(ImageError, match="damaged"):
        load_image(png(5, 5), max_pixels=25)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((0, 5, 3), np.uint8), "empty"),
        (np.zeros((5, 0), np.uint8), "empty"),
        (np.full((2, 2), np.nan), "NaN"),
        (np.array([[0.0, np.inf]]), "NaN or infinite"),
        (np.array([[-1.0, 1.0]]), "negative"),
        (np.zeros((2, 2, 5)), "not one picture"),
        (np.zeros((2, 3, 4, 4)), "not one picture"),
        (np.zeros(3), "not one picture"),
        (np.array([["a", "b"]]), "not numbers"),
        (np.array([[1j]]), "not numbers"),
        (Image.new("RGB", (0, 3)), "no pixels"),
        (None, "NoneType is no picture"),
        (7, "int is no picture"),
        (io.StringIO("text"), "not binary"),
        ([], "list is no picture"),
    ],
)
def test_bad_objects(source, message):
    with pytest.raises(ImageError, match=message) as raised:
        load_image(source)
    assert raised.value.hint


def test_a_mode_that_pillow_cannot_convert(monkeypatch):
    def refuse(self, mode):
        raise ValueError("conversion not supported")

    monkeypatch.setattr(Image.Image, "convert", refuse)
    with pytest.raises(ImageError, match="cannot be converted: LAB"):
        load_image(Image.new("LAB", (2, 2)))


def test_threads_leave_the_warning_filters_as_they_were():
    data = encoded(picture())
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [load_image(data) for _ in range(20)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_loading_needs_no_torch():
    import subprocess
    import sys

    code = "import sys, trocr.image; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_large_picture_prints_no_warning(tmp_path: Path):
    """Above Pillow's warning size, below the limit."""
    path = tmp_path / "large.png"
    Image.new("1", (10_000, 9_000)).save(path)
    assert load_image(path).size == (10_000, 9_000)
