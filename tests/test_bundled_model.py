"""The model that ships, on real receipt lines."""

from pathlib import Path

import numpy as np
import pytest
from line_models import text_picture
from PIL import Image, ImageFilter

import trocr
from trocr.bundled import DEFAULT_MODEL, bundled_folder, bundled_models
from trocr.labelled_lines import read_labelled_lines
from trocr.metrics import sroie_scores
from trocr.training.config import TrainingConfig
from trocr.training.data import group_of, read_split

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
    assert np.median(sure) > 0.9
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


def test_200_crops_without_text_are_200_empty_texts(reader):
    results = reader.read_lines([blank_crop(seed) for seed in range(200)])
    wrong = [(seed, r.text) for seed, r in enumerate(results) if r.text]
    assert wrong == []
    assert {result.finish_reason for result in results} == {"blank"}


@pytest.mark.parametrize("num_beams", [1, 3])
def test_constraints_on_real_lines(reader, num_beams):
    images = [line.image for line in LINES]
    digits = reader.read_lines(images, allow="0-9./", num_beams=num_beams)
    assert all(set(result.text) <= set("0123456789./") for result in digits)
    truth = [line.text for line in LINES]
    chosen = reader.read_lines(images, lexicon=truth, num_beams=num_beams)
    assert sum(r.text == t for r, t in zip(chosen, truth, strict=True)) >= len(LINES) - 1


@pytest.mark.slow
@pytest.mark.shared
def test_word_f1_on_receipts_it_never_saw(reader):
    training, validation = read_split(TrainingConfig.read(ROOT / "configs/printed.toml"))
    assert not {group_of(line.file) for line in training} & {
        group_of(line.file) for line in validation
    }
    lines = validation[::5]
    assert word_f1(reader.read_lines([line.image for line in lines]), lines) >= 88
