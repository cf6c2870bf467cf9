"""The models that ship, on real lines."""

from pathlib import Path

import numpy as np
import pytest
from line_models import text_picture
from PIL import Image, ImageFilter

import trocr
from trocr.bundled import DEFAULT_MODEL, bundled_folder, bundled_models
from trocr.labelled_lines import read_labelled_lines
from trocr.metrics import character_error_rate, sroie_scores
from trocr.training.config import TrainingConfig
from trocr.training.sets import group_of, read_split

ROOT = Path(__file__).parent.parent
LINES = list(read_labelled_lines(ROOT / "tests/data/receipt-lines"))


@pytest.fixture(scope="module")
def reader():
    return trocr.load()


@pytest.fixture(scope="module")
def results(reader):
    return reader.read_lines([line.image for line in LINES])


def word_f1(results, lines):
    predictions = [result.text.upper() for result in results]
    return sroie_scores(predictions, [line.text.upper() for line in lines]).f1


def test_the_default_model_is_bundled():
    model = next(model for model in bundled_models() if model.name == DEFAULT_MODEL)
    assert model.summary
    assert bundled_folder("no such model") is None
    size = sum(path.stat().st_size for path in model.folder.iterdir())
    assert size < 20e6


def test_it_reads_receipts(results):
    assert word_f1(results, LINES) >= 88
    assert all(result.finish_reason == "eos" for result in results)


def test_bfloat16_reads_the_same(results):
    again = trocr.load(dtype="bfloat16").read_lines([line.image for line in LINES])
    same = [one.text == other.text for one, other in zip(again, results, strict=True)]
    assert np.mean(same) > 0.8
    apart = [one.confidence - other.confidence for one, other in zip(again, results, strict=True)]
    assert np.abs(apart).mean() < 0.03


def test_it_is_surer_of_what_it_reads_than_of_scribbles(reader, results):
    generator = np.random.default_rng(0)
    scribbles = []
    for _ in range(8):
        walk = generator.normal(0, 3, (400, 2)).cumsum(0)
        walk = (walk - walk.min(0)) / np.ptp(walk, axis=0) * (180, 28) + 2
        canvas = np.full((32, 186), 255, np.uint8)
        canvas[walk[:, 1].astype(int), walk[:, 0].astype(int)] = 0
        scribbles.append(Image.fromarray(canvas).filter(ImageFilter.GaussianBlur(0.7)))
    unsure = [result.confidence for result in reader.read_lines(scribbles) if result.text]
    sure = [result.confidence for result in results]
    assert np.median(sure) > 0.8
    assert not unsure or np.median(unsure) < 0.6


@pytest.mark.parametrize("batch_size", [1, 5])
def test_the_batch_does_not_matter(reader, results, batch_size):
    alone = reader.read_lines([line.image for line in LINES], batch_size=batch_size)
    assert [result.token_ids for result in alone] == [result.token_ids for result in results]
    for one, other in zip(alone, results, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-3)


def test_inverted_and_coloured_lines_read_the_same(reader):
    plain = text_picture("TOTAL 12.50")
    inverted = plain.point(lambda grey: 255 - grey)
    blue = Image.merge("RGB", [plain.point(lambda grey: grey // 2), plain, plain])
    texts = {result.text for result in reader.read_lines([plain, inverted, blue])}
    assert texts == {"TOTAL 12.50"}


def blank_crop(seed):
    """Paper, noise, grain, smudges, gradients, speckles or a rule, of any size."""
    generator = np.random.default_rng(seed)
    height, width = int(generator.integers(16, 81)), int(generator.integers(40, 900))
    noise = generator.integers(0, 256, (height, width), dtype=np.uint8)
    pixels = {
        0: np.full((height, width), generator.integers(0, 256)),
        1: noise,
        2: generator.normal(235, generator.uniform(1, 12), (height, width)),
        3: generator.normal(128, generator.uniform(20, 80), (height, width)),
        4: np.linspace(60, 255, width)[None].repeat(height, 0),
        5: np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2))),
        6: np.where(generator.random((height, width)) < generator.uniform(0, 0.1), 30, 250),
        7: np.where(np.arange(height)[:, None] == height // 2, 40, np.full((1, width), 245)),
    }[seed % 8]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("model", ["printed", "handwritten", "fast"])
def test_crops_without_text_are_empty_texts(model):
    results = trocr.load(model).read_lines([blank_crop(seed) for seed in range(200)])
    wrong = [(seed, result.text) for seed, result in enumerate(results) if result.text]
    assert len(wrong) <= 2, wrong
    assert all(result.finish_reason == "blank" for result in results if not result.text)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_constraints_on_real_lines(reader, num_beams):
    images = [line.image for line in LINES]
    digits = reader.read_lines(images, allow="0-9./", num_beams=num_beams)
    assert all(set(result.text) <= set("0123456789./") for result in digits)
    truth = [line.text for line in LINES]
    chosen = reader.read_lines(images, lexicon=truth, num_beams=num_beams)
    assert sum(r.text == t for r, t in zip(chosen, truth, strict=True)) >= len(LINES) - 1


def validation_lines(model, name):
    """Lines of a set that the model was not trained on, by its own configuration."""
    config = TrainingConfig.read(bundled_folder(model) / "training.toml")
    (section,) = (section for section in config.data.sets if section.name == name)
    training, validation = read_split(section, ROOT / "configs")
    sides = [
        {group_of(line.file, section.group_pattern) for line in side}
        for side in (training, validation)
    ]
    assert not sides[0] & sides[1]
    return validation


@pytest.mark.slow
@pytest.mark.shared
def test_word_f1_on_receipts_it_never_saw(reader):
    lines = validation_lines("printed", "receipts")[::5]
    assert word_f1(reader.read_lines([line.image for line in lines]), lines) >= 88


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize(
    ("model", "name", "highest_cer"),
    [("printed", "ehri", 4), ("printed", "tapus", 4), ("handwritten", "peraire", 30)],
)
def test_cer_on_pages_it_never_saw(model, name, highest_cer):
    lines = validation_lines(model, name)[::3]
    results = trocr.load(model).read_lines([line.image for line in lines])
    texts = [result.text for result in results]
    assert character_error_rate(texts, [line.text for line in lines]) <= highest_cer
