"""Batches: mixed by weight, reproducible, of few shapes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from line_models import CHARACTERS, text_picture
from PIL import Image
from training_runs import configuration, drawn, prepared, uncut

from trocr.config import PIXELS_PER_TOKEN
from trocr.errors import DataError
from trocr.labelled_lines import LabelledLine
from trocr.line_image import LineImageProcessor, stack_lines
from trocr.tokenizer import Tokenizer
from trocr.training.blank import blank_line
from trocr.training.data import (
    Batch,
    BlankLines,
    MixedLines,
    RealLines,
    StraightenedLines,
    lane_batches,
    plain_batches,
)
from trocr.training.loop import Trainer
from trocr.training.plan import configured_plan
from trocr.training.preparation import LinePreparation, bucket
from trocr.training.sources import read_sources

TOKENIZER = Tokenizer.from_characters(CHARACTERS)
PREPARATION = LinePreparation(LineImageProcessor(32, 512))


class Stripes:
    """A source of lines of one letter, of random length up to ``longest``."""

    case_blind = False

    def __init__(self, letter: str, longest: int = 30) -> None:
        self.letter, self.longest = letter, longest

    def draw(self, generator: np.random.Generator) -> tuple[Image.Image, str]:
        length = int(generator.integers(1, self.longest + 1))
        stripes = np.full((24, 8 * length), 255, np.uint8)
        stripes[4:20, ::8] = 0
        return Image.fromarray(stripes), self.letter * length


def mixed(sources: Sequence[tuple[Any, float]], **options: Any) -> MixedLines:
    defaults = {
        "tokens_per_batch": 128,
        "lines_per_chunk": 40,
        "curriculum_lines": 0,
        "seed": 3,
    }
    return MixedLines(sources, TOKENIZER, PREPARATION, **(defaults | options))


def assert_same_batches(first: Sequence[Batch], second: Sequence[Batch]) -> None:
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.pixel_values, other.pixel_values)
        assert np.array_equal(one.pixel_mask, other.pixel_mask)
        assert np.array_equal(one.case_blind, other.case_blind)
        assert one.token_ids == other.token_ids


def texts_of(batches: Sequence[Batch]) -> list[str]:
    return [text for batch in batches for text in TOKENIZER.batch_decode(batch.token_ids)]


def test_a_chunk_depends_on_the_seed_and_its_number_alone() -> None:
    sources = [(RealLines(drawn(["12.5", "A/B", "7"])), 0.6), (BlankLines(), 0.4)]
    lines = mixed(sources)
    assert_same_batches(lines[5], mixed(sources)[5])
    lines[2]
    assert_same_batches(lines[5], mixed(sources)[5])
    assert texts_of(lines[5]) != texts_of(lines[6])
    assert texts_of(lines[5]) != texts_of(mixed(sources, seed=4)[5])


@pytest.mark.parametrize("tokens", [64, 300])
def test_batches_are_full_and_of_few_shapes(tokens: int) -> None:
    """All but one of a chunk, in which fewer than half of the lines are there twice."""
    lines = mixed([(Stripes("A", 60), 1.0)], tokens_per_batch=tokens)
    for batches in (lines[chunk] for chunk in range(4)):
        smaller = []
        for batch in batches:
            rows, _, height, width = batch.pixel_values.shape
            full = max(1, tokens * PIXELS_PER_TOKEN // width)
            assert height == 32
            assert width == bucket(width)
            assert rows in {full >> halvings for halvings in range(8)}
            assert len(batch.token_ids) == len(batch.case_blind) == rows
            assert batch.pixel_mask.shape == (rows, width)
            smaller += [batch] * (rows < full)
        assert len(smaller) <= 1
        rows = sum(len(batch.token_ids) for batch in batches)
        assert 40 <= rows < 40 + max(len(batch.token_ids) for batch in batches) / 2 + 1
    assert len({batch.pixel_values.shape for batch in lines[0]}) > 3


def test_buckets_are_close_and_few() -> None:
    buckets = [bucket(width) for width in range(1, 2049)]
    assert all(width <= b < width + 128 for width, b in enumerate(buckets, 1))
    assert all(b % PIXELS_PER_TOKEN == 0 for b in buckets)
    assert len(set(buckets)) < 40


def test_every_line_of_a_chunk_is_in_a_batch() -> None:
    drawn_texts = []

    class Noted(Stripes):
        def draw(self, generator: np.random.Generator) -> tuple[Image.Image, str]:
            picture, text = super().draw(generator)
            drawn_texts.append(text)
            return picture, text

    texts = texts_of(mixed([(Noted("A"), 1.0)])[0])
    assert len(drawn_texts) == 40
    assert set(texts) == set(drawn_texts)
    assert len(texts) >= 40


def test_sources_are_mixed_by_weight() -> None:
    lines = mixed(
        [(Stripes("A", 1), 3.0), (Stripes("B", 1), 1.0)], lines_per_chunk=512, tokens_per_batch=4
    )
    texts = texts_of([batch for chunk in range(4) for batch in lines[chunk]])
    assert len(texts) == 2048
    share = texts.count("A") / len(texts)
    assert abs(share - 0.75) < 0.04  # four standard deviations


def test_the_curriculum_begins_with_short_lines() -> None:
    lines = mixed([(Stripes("A", 60), 1.0)], lines_per_chunk=100, curriculum_lines=1000)
    longest = [max(map(len, texts_of(lines[chunk]))) for chunk in (0, 3, 10, 11)]
    assert longest[0] <= 10
    assert 10 < longest[1] <= 10 + 0.3 * 110
    assert longest[2] > 50
    assert longest[3] > 50


def test_easy_lines_are_undistorted() -> None:
    """At the beginning of a curriculum a line looks as it will be read."""
    source = RealLines(drawn(["12.5"]))
    (plain,) = plain_batches(drawn(["12.5"]), TOKENIZER, PREPARATION)
    first = mixed([(source, 1.0)], curriculum_lines=10**6)[0][0].pixel_values[0, 0]
    width = int(plain.pixel_mask.sum())
    offsets = [
        np.abs(first[:, left : left + width - 8] - plain.pixel_values[0, 0, :, : width - 8]).mean()
        for left in range(8)
    ]
    assert min(offsets) < 0.02


def test_rows_know_whether_their_case_is_lost() -> None:
    blind = RealLines(drawn(["AB"]), case_blind=True)
    batches = mixed([(blind, 1.0), (RealLines(drawn(["12"])), 1.0)])[0]
    for batch in batches:
        for text, is_blind in zip(texts_of([batch]), batch.case_blind, strict=True):
            assert is_blind == (text == "AB")
    assert sum(batch.case_blind.sum() for batch in batches) > 0


@pytest.mark.parametrize("workers", [0, 1])
def test_a_lane_goes_on_where_it_was(workers: int) -> None:
    lines = mixed([(Stripes("A"), 1.0)])
    whole = list(islice(lane_batches(lines, range(0, 100, 2), 0), 12))
    assert [number for chunk, number, _ in whole if chunk == 0] == list(range(len(lines[0])))
    assert {chunk for chunk, _, _ in whole} >= {0, 2}
    chunk, number, _ = whole[6]
    rest = list(islice(lane_batches(lines, range(chunk, 100, 2), number, workers), 6))
    assert [place[:2] for place in rest] == [place[:2] for place in whole[6:]]
    assert_same_batches([batch for *_, batch in rest], [batch for *_, batch in whole[6:]])


def test_lines_are_straightened_before_they_are_distorted(tmp_path: Path) -> None:
    (line,) = drawn(["12.5"])
    tall = Image.new("L", (90, 120), 245)
    tall.paste(text_picture("12.5"), (5, 40))
    stream = io.BytesIO()
    tall.save(stream, "PNG")
    tall_line = LabelledLine("images/tall_0.png", stream.getvalue(), "12.5")
    generator = np.random.default_rng(0)
    plain, straight = (
        RealLines([tall_line], straighten=wanted).draw(generator)[0] for wanted in (False, True)
    )
    assert plain.size == tall.size
    assert straight.height < 60
    assert StraightenedLines(RealLines([tall_line])).draw(generator)[0].size == straight.size
    config = configuration(prepared(tmp_path), 1, model="straighten = true")
    receipts, pages, blanks = (source for source, _ in read_sources(config, uncut)[0])
    assert isinstance(receipts, RealLines)
    assert isinstance(pages, RealLines)
    assert receipts.straighten
    assert isinstance(blanks, StraightenedLines)
    with pytest.raises(DataError, match=r"tall_0\.png is no picture"):
        RealLines([line, LabelledLine("images/tall_0.png", b"", "12.5")])


def test_blank_crops_have_no_label() -> None:
    texts = texts_of(mixed([(BlankLines(), 1.0), (Stripes("A"), 1.0)], lines_per_chunk=200)[0])
    assert 60 < texts.count("") < 140


def test_a_batch_of_blanks_only_can_be_learnt(tmp_path: Path) -> None:
    trainer = Trainer(configured_plan(configuration(tmp_path, 1)), tmp_path / "run")
    stacked = stack_lines([np.zeros((32, 40), np.float32)] * 2)
    blind = np.array([False, True])
    batch = Batch(stacked.pixel_values, stacked.pixel_mask, [[], []], blind)
    ctc, decoder, norm, _rate = trainer._train_step([batch])
    assert ctc > 0
    assert decoder > 0
    assert np.isfinite(norm)


def test_distortions_keep_the_line_readable_by_size() -> None:
    generator = np.random.default_rng(0)
    picture = text_picture("TOTAL 12.50").convert("L")
    for _ in range(50):
        line = PREPARATION.distorted(picture, generator, 1.0)[0]
        assert line.shape[0] == 32
        assert line.dtype == np.float32
        assert np.isfinite(line).all()
        assert 0.5 < line.shape[1] / (picture.width * 32 / picture.height) < 1.6
    for _ in range(50):
        assert blank_line(20, 100, generator).size == (100, 20)
