import numpy as np
import pytest
from line_models import text_picture
from PIL import Image, ImageDraw, ImageFont

from trocr.line_image import LineImageProcessor, normalize_ink, straightened


def written_line(rise=0.0, height=80, width=700, top=22, text="levelled lines are read better"):
    """Dark letters on grey paper, rising by ``rise`` line heights from left to right."""
    line = Image.new("L", (width, height), 200)
    font = ImageFont.load_default(34)
    ImageDraw.Draw(line).text((10, top), text, fill=30, font=font)
    slope = rise * height / width
    matrix = (1, 0, 0, slope, 1, -slope * width / 2)
    return line.transform(line.size, Image.Transform.AFFINE, matrix, fillcolor=200)


def ink_rows(line):
    """Share of a picture's rows between the highest and the lowest ink."""
    rows = np.nonzero((np.asarray(line) < 120).sum(1) > 1)[0]
    return (rows[-1] - rows[0] + 1) / line.height


@pytest.mark.parametrize("rise", [-0.4, -0.2, 0.2, 0.4])
def test_a_rising_line_is_levelled(rise):
    level = straightened(written_line())
    sloping = straightened(written_line(rise))
    assert abs(sloping.height - level.height) <= 8
    assert ink_rows(sloping) > 0.7
    assert sloping.width == 700


def test_a_level_line_only_loses_empty_rows():
    line = written_line()
    cut = straightened(line)
    assert cut.height < line.height
    first = next(
        row for row in range(line.height) if line.crop((0, row, 700, row + cut.height)) == cut
    )
    assert 0 <= first <= line.height - cut.height


def test_a_short_crop_keeps_its_slope():
    """Three letters say nothing about a slope."""
    line = written_line(0.2, width=120, text="Ty,")
    assert np.asarray(straightened(line)).shape[1] == 120
    cut = straightened(line)
    assert any(
        line.crop((0, row, 120, row + cut.height)) == cut
        for row in range(line.height - cut.height + 1)
    )


def test_a_separator_keeps_room():
    line = Image.new("L", (400, 60), 255)
    ImageDraw.Draw(line).line((5, 30, 395, 30), fill=0, width=2)
    assert straightened(line).height >= 24


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (3000, 3), (5, 5), (400, 40)])
@pytest.mark.parametrize("paper", [0, 128, 255])
def test_empty_pictures_pass(size, paper):
    line = straightened(Image.new("L", size, paper))
    assert line.width == size[0]
    assert 1 <= line.height <= size[1]


def test_noise_passes():
    noise = np.random.default_rng(0).integers(0, 256, (50, 300), dtype=np.uint8)
    assert straightened(Image.fromarray(noise)).width == 300


def test_the_processor_straightens_only_when_told_and_says_so():
    line = written_line(0.3)
    plain, level = LineImageProcessor(48), LineImageProcessor(48, straighten=True)
    assert plain.to_dict()["straighten"] is False
    assert LineImageProcessor.from_dict(level.to_dict()).straighten is True
    assert plain.preprocess(line).shape[1] < level.preprocess(line).shape[1]
    picture = text_picture("12.30")
    assert np.isfinite(level.preprocess(picture)).all()


def test_the_processor_stretches_lines_up_to_the_widest():
    line = written_line(0.0)
    plain, wide = LineImageProcessor(48), LineImageProcessor(48, stretch=1.25)
    assert LineImageProcessor.from_dict(wide.to_dict()).stretch == 1.25
    drawn, stretched = plain.preprocess(line), wide.preprocess(line)
    assert stretched.shape == (48, round(line.width * 48 * 1.25 / line.height))
    assert wide.placement(line).width == stretched.shape[1]
    squeezed = np.asarray(Image.fromarray(stretched).resize(drawn.shape[::-1]))
    assert np.abs(squeezed - drawn).mean() < 0.05
    narrow = LineImageProcessor(48, max_image_width=200, stretch=1.25)
    assert narrow.preprocess(line).shape == (48, 200)


@pytest.mark.parametrize(("ground", "ink"), [(230, 20), (90, 20), (60, 10), (60, 250), (10, 120)])
def test_ink_is_one_on_any_ground(ground, ink):
    """Dark ink on the dark paper of a bad copy is no light ink."""
    line = Image.new("L", (400, 40), ground)
    ImageDraw.Draw(line).text((5, 4), "dark paper", fill=ink, font=ImageFont.load_default(28))
    normalized = normalize_ink(line)
    written = np.asarray(line, np.int64) == ink
    assert normalized[written].mean() > 0.6
    assert abs(np.median(normalized)) < 0.05
