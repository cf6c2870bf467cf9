"""Labels beside wrong pictures: found by reading, with hardly a false alarm."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest
from line_models import text_picture, tiny_recognizer

import trocr
from trocr.labelled_lines import LabelledLine, LineSet
from trocr.training.finetuning.check import check_lines, describe
from trocr.training.finetuning.mismatch import MixUps, compared, mixed_up, without_mix_ups
from trocr.training.finetuning.pictures import Limits

SENTENCE = """paper winter river candle letter morning soldier garden music window silver harbour
market doctor bridge summer kitchen forest mirror station copper village engine lantern"""
WORDS = SENTENCE.split()
COUNT = 60


def labelled(texts: Iterable[str]) -> list[LabelledLine]:
    return [LabelledLine(f"{number}.png", b"", text) for number, text in enumerate(texts)]


def relabelled(lines: list[LabelledLine], texts: dict[int, str]) -> list[LabelledLine]:
    return [replace(line, text=texts.get(i, line.text)) for i, line in enumerate(lines)]


@pytest.fixture(scope="module")
def lines() -> list[LabelledLine]:
    draw = random.Random(1)
    return labelled(" ".join(draw.sample(WORDS, draw.randint(1, 6))) for _ in range(COUNT))


def misread(text: str, share: float, seed: int) -> str:
    """A text with some letters replaced, lost or added."""
    draw = random.Random(seed)

    def letter(right: str) -> str:
        other = draw.choice("etaoinshr")
        return draw.choice(["", other, right + other]) if draw.random() < share else right

    return "".join(map(letter, text))


def judged(
    labels: list[LabelledLine], truth: list[LabelledLine], errors: float = 0.05, limit: int = 999
) -> MixUps:
    """What readings of the true texts with so many errors say about labels."""
    readings = {i: misread(line.text, errors, i) for i, line in enumerate(truth)}
    return compared(labels, lambda numbers: {i: readings[i] for i in numbers}, limit)


def files(lines: Iterable[LabelledLine]) -> list[str]:
    return [line.file for line in lines]


@pytest.mark.parametrize("errors", [0.0, 0.1, 0.3, 0.6, 0.9])
def test_right_labels_are_not_suspected(lines: list[LabelledLine], errors: float) -> None:
    mix_ups = judged(lines, lines, errors)
    assert mix_ups.wrong == []
    assert mix_ups.read == COUNT


@pytest.mark.parametrize("errors", [0.0, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("rows", [1, -1, 2])
def test_a_shift_is_one_finding(lines: list[LabelledLine], errors: float, rows: int) -> None:
    shifted = {i: lines[i - rows].text for i in range(20, 50)}
    mix_ups = judged(relabelled(lines, shifted), lines, errors)
    (shift,) = mix_ups.shifts
    assert shift.rows == rows
    found = [int(line.file.partition(".")[0]) for line in shift.lines]
    assert len(set(found) & shifted.keys()) >= 26
    assert len(set(found) - shifted.keys()) <= 2


def test_swapped_labels_are_found_and_their_right_place(lines: list[LabelledLine]) -> None:
    pairs = [(3, 41), (17, 30)]
    texts = {a: lines[b].text for pair in pairs for a, b in (pair, pair[::-1])}
    mix_ups = judged(relabelled(lines, texts), lines)
    found = {
        (suspect.line.file, suspect.other.file) for suspect in mix_ups.swapped if suspect.other
    }
    assert found == {(f"{a}.png", f"{b}.png") for pair in pairs for a, b in (pair, pair[::-1])}
    assert mix_ups.shifts == []


def test_a_label_from_elsewhere_is_doubtful(lines: list[LabelledLine]) -> None:
    mix_ups = judged(relabelled(lines, {5: "Quite another text, 1984"}), lines)
    assert mix_ups.wrong == []
    assert files(suspect.line for suspect in mix_ups.doubtful) == ["5.png"]
    assert judged(lines, lines, 0.3).doubtful == []


def test_few_lines_are_read_of_a_large_set() -> None:
    draw = random.Random(2)
    lines = labelled(" ".join(draw.choices(WORDS, k=5)) + f" {i}" for i in range(600))
    wrong = relabelled(lines, {i: lines[i - 1].text for i in range(300, 340)})
    mix_ups = judged(wrong, lines, limit=60)
    assert mix_ups.read < 160
    (shift,) = mix_ups.shifts
    assert files(shift.lines) == [f"{i}.png" for i in range(300, 340)]


def test_nothing_to_read_is_no_error() -> None:
    assert compared([], lambda numbers: {}, 10).wrong == []
    one = labelled(["text"])
    assert compared(one, lambda numbers: {}, 10).read == 0
    assert mixed_up(tiny_recognizer(), one).read == 0  # no picture


@pytest.fixture(scope="module")
def drawn(lines: list[LabelledLine]) -> list[LabelledLine]:
    return [
        replace(line, image=LabelledLine.of("", text_picture(line.text), "").image)
        for line in lines
    ]


def test_rotated_rows_are_left_out_and_named(drawn: list[LabelledLine]) -> None:
    """As the bundled model reads them."""
    recognizer = trocr.load("fast")
    wrong = relabelled(drawn, {i: drawn[i + 1].text for i in range(10, 30)})
    limits = Limits.of(recognizer.model.config, recognizer.processor.image_processor)
    check = check_lines(LineSet(wrong, [], "labels.tsv"), recognizer.processor.tokenizer, limits)
    assert len(check.lines) == COUNT
    checked = without_mix_ups(check, mixed_up(recognizer, check.lines))
    assert files(checked.lines) == [f"{i}.png" for i in range(COUNT) if not 10 <= i < 30]
    assert [len(finding.places) for finding in checked.dropped] == [20]
    assert "belong 1 row further down" in describe(checked)
    assert "29.png" in describe(checked)


def test_a_model_that_cannot_read_says_so(drawn: list[LabelledLine]) -> None:
    recognizer = tiny_recognizer()
    check = check_lines(LineSet(drawn, [], ""), recognizer.processor.tokenizer, Limits(500))
    checked = without_mix_ups(check, mixed_up(recognizer, check.lines))
    assert checked.lines == check.lines
    assert "could not be judged" in describe(checked)
