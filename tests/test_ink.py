import numpy as np
import pytest
from line_models import noise_picture, text_picture
from PIL import Image, ImageOps

from trocr.ink import is_blank


@pytest.mark.parametrize("text", ["1", ".", "-", "A", "0.30", "TOTAL 12.50", "......", "ill|"])
def test_text_is_not_blank(text):
    assert not is_blank(text_picture(text))
    assert not is_blank(ImageOps.invert(text_picture(text)))
    assert not is_blank(text_picture(text, size=12))


def test_tiny_print_without_greys_is_not_blank():
    """Neighbouring pixels have little to do with each other: 0.11 was seen on receipts."""
    drawn = text_picture("SR = GST @6%", size=10)
    assert not is_blank(
        drawn.point(lambda grey: 255 * (grey > 127)).crop((5, 4, drawn.width - 5, 16))
    )


def test_faint_text_is_not_blank():
    faint = text_picture("TOTAL").point(lambda grey: 200 + grey // 6)
    assert not is_blank(faint)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_bare_paper_is_blank(grey):
    assert is_blank(Image.new("RGB", (200, 32), (grey, grey, grey)))


@pytest.mark.parametrize("seed", range(5))
def test_grainy_paper_is_blank(seed):
    noise = np.random.default_rng(seed).normal(230, 5, (32, 200)).clip(0, 255)
    assert is_blank(Image.fromarray(noise.astype(np.uint8)))


@pytest.mark.parametrize("seed", range(5))
def test_pure_noise_is_blank(seed):
    assert is_blank(noise_picture(40, 300, seed))


def test_tiny_pictures_are_blank():
    assert is_blank(Image.new("L", (1, 1), 0))
