"""Lines put together of words of several."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from line_models import tiny_line_model, tiny_processor
from PIL import Image
from training_runs import configuration, prepared, uncut

from trocr.errors import DataError
from trocr.labelled_lines import LabelledLine
from trocr.line_image import normalize_ink
from trocr.training.data import RealLines
from trocr.training.recombine import ModelCutter, Piece, RecombinedLines, pieces_of
from trocr.training.sources import read_sources

BAR, APART, GAP, MARGIN = 4, 6, 26, 10  # pixels


def bars(text: str, top: int = 12, paper: int = 240, joined: bool = False) -> Image.Image:
    """A line whose words are numbers, each written as so many bars; ``joined``: by a rule."""
    words = [int(word) for word in text.split()]
    columns = MARGIN
    lefts = []
    for word in words:
        lefts += [columns + i * (BAR + APART) for i in range(word)]
        columns += word * (BAR + APART) - APART + GAP
    pixels = np.full((48, columns - GAP + MARGIN), paper, np.uint8)
    for left in lefts:
        pixels[top : top + 20, left : left + BAR] = paper - 200
    if joined:
        pixels[top + 8 : top + 12, MARGIN:-MARGIN] = paper - 200
    return Image.fromarray(pixels)


def middles(text: str) -> np.ndarray:
    """Columns of the characters of a line of bars."""
    found, columns = [], MARGIN
    for word in text.split():
        width = int(word) * (BAR + APART) - APART
        found += [columns + width / 2, columns + width + GAP / 2]
        columns += width + GAP
    return np.array(found[:-1])


def counted(picture: Image.Image) -> str:
    """What a line of bars says."""
    written = (normalize_ink(picture) > 0.5).any(0)
    runs = [(inked, len(list(run))) for inked, run in groupby(written)]
    words, bars_of_word = [], 0
    for inked, length in runs[1:] if not runs[0][0] else runs:
        bars_of_word += inked
        if not inked and length > 2 * APART:
            words.append(bars_of_word)
            bars_of_word = 0
    return " ".join(map(str, words + [bars_of_word] * bool(bars_of_word)))


def real_lines(pictures: Sequence[Image.Image], texts: Sequence[str]) -> RealLines:
    lines = []
    for number, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        lines.append(LabelledLine(f"images/page_{number}.png", stream.getvalue(), text))
    return RealLines(lines)


def test_a_line_is_cut_where_there_is_paper() -> None:
    text = "3 1 2"
    picture = bars(text)
    pieces = pieces_of(picture, text, middles(text))
    assert [piece.text for piece in pieces] == ["3", "1", "2"]
    for piece in pieces:
        crop = picture.crop((piece.left, 0, piece.right, picture.height))
        assert counted(crop) == piece.text
    (whole,) = pieces_of(bars(text, joined=True), text, middles(text))
    assert whole.text == text
    assert pieces_of(Image.new("L", (90, 30), 250), "3 1", np.array([9.0, 30.0, 60.0])) == ()


def test_new_lines_say_what_their_label_says() -> None:
    """On one height and one paper, of words of one group."""
    texts = ["3 1 2", "2 2 4 1", "1 3", "5 6 5", "6 5"]
    tops = [12, 5, 20, 12, 12]
    papers = [240, 220, 250, 240, 240]
    pictures = [bars(*line) for line in zip(texts, tops, papers, strict=True)]
    pieces = [pieces_of(p, t, middles(t)) for p, t in zip(pictures, texts, strict=True)]
    source = RecombinedLines(real_lines(pictures, texts), "aaabb", pieces)
    generator = np.random.default_rng(0)
    drawn = [source.draw(generator) for _ in range(40)]
    for picture, text in drawn:
        assert counted(picture) == text
        assert {*text.split()} <= {*"1234"} or {*text.split()} <= {*"56"}
        ink = (normalize_ink(picture) > 0.5).any(1)
        assert 20 <= ink.sum() <= 21
        assert np.ptp(np.asarray(picture)[0].astype(int)) <= 1
    assert len({text for _, text in drawn} - {*texts}) > 20
    assert {len(text.split()) for _, text in drawn} == {2, 3, 4}


def test_no_new_line_is_longer_than_the_longest() -> None:
    texts = ["3 1 2 1", "aaaaa bbbbb"]
    pictures = [bars("3 1 2 1"), bars("9 9")]
    middle = pictures[1].width // 2
    long = (Piece(0, middle, "aaaaa"), Piece(middle, pictures[1].width, "bbbbb"))
    short = pieces_of(pictures[0], texts[0], middles(texts[0]))
    source = RecombinedLines(real_lines(pictures, texts), "aa", [short, long])
    generator = np.random.default_rng(0)
    assert max(len(source.draw(generator)[1]) for _ in range(60)) == len("aaaaa bbbbb")


def test_a_line_that_the_model_misreads_is_left_whole() -> None:
    model, processor = tiny_line_model(), tiny_processor()
    cutter = ModelCutter(model.train(), processor.image_processor, processor.tokenizer)
    assert cutter([bars("3 1 2")], ["3 1 2"]) == [()]
    assert cutter.model.training


def test_a_set_is_shared_between_whole_and_new_lines(tmp_path: Path) -> None:
    def whole(pictures: Sequence[Image.Image], texts: Sequence[str]) -> list[tuple[Piece, ...]]:
        return [
            (Piece(0, picture.width, text),) for picture, text in zip(pictures, texts, strict=True)
        ]

    config = configuration(prepared(tmp_path), 1, first_set="weight = 2\nrecombined = 0.25")
    sources, _ = read_sources(config, whole)
    assert [weight for _, weight in sources] == [1.5, 0.5, 0.5, 0.1]
    assert isinstance(sources[1][0], RecombinedLines)
    with pytest.raises(DataError, match="reads no line well enough"):
        read_sources(config, uncut)
